"""Sentences that know their place."""

import pickle
from pathlib import Path

from spm.structures.placed import Placed


def test_a_sentence_is_a_text_and_keeps_its_place():
    text = Placed("a.json: x", Path("a.json"), [3], (1.0, 2.0))
    assert text == "a.json: x" and sorted([text, "a"]) == ["a", text]
    again = Placed(text, Path("b.json"))
    assert (again.path, again.shapes, again.point) == (Path("a.json"), (3,), (1.0, 2.0))
    loaded = pickle.loads(pickle.dumps(text))
    assert (loaded, loaded.path, loaded.shapes) == (text, text.path, text.shapes)
