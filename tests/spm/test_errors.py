"""The exception that users see as a sentence."""

import pytest

from spm.errors import InputError


def test_joined_reports_each_problem_once_and_in_order():
    error = InputError.joined(["a.json: bad.", InputError("b.json: worse."), "a.json: bad."])
    assert str(error) == "a.json: bad.\nb.json: worse."


def test_joined_of_nothing_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="none"):
        InputError.joined([])
