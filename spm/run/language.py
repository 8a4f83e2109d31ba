"""The language in which a run writes for people: figures, reports and remarks.

The English text is the key of a phrase, as it is for gettext; `spm.run.chinese` has the Chinese
ones. Columns of tables, keys of JSON and names of files are read by programs and stay English.

    with written_in("zh"):
        phrase("{count} of {total} images", count=3, total=5)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from spm.errors import InputError

Language = Literal["en", "zh"]
LANGUAGES = ("en", "zh")
VARIABLE = "SPM_LANGUAGE"  # of the environment, for all commands at once
PAGE_LANGUAGE = {"en": "en", "zh": "zh-CN"}  # what a page says of itself

_current: ContextVar[str] = ContextVar("language", default="en")


def chosen_language(asked: str | None = None) -> str:
    """Return the language of a run: the asked one, else that of SPM_LANGUAGE, else English.

    Raises:
        InputError: when SPM_LANGUAGE names no language that there is.
    """
    found = asked or os.environ.get(VARIABLE, "").strip().lower() or "en"
    if found not in LANGUAGES:
        raise InputError(f"{VARIABLE}: must be one of {', '.join(LANGUAGES)}. Received: {found!r}.")
    return found


@contextmanager
def written_in(language: str) -> Iterator[None]:
    """Say all phrases in a language meanwhile, in this thread."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def current_language() -> str:
    """Return the language of the phrases now."""
    return _current.get()


def phrase(text: str, /, **values: object) -> str:
    """Return a text of the program's in the language of the run.

    Args:
        text: in English, with {names} for values.
        values: what they stand for; without any, braces are left alone.

    Raises:
        KeyError: for a text that the dictionary lacks.
    """
    said = _words()[text] if current_language() != "en" else text
    return said.format(**values) if values else said


def phrase_or_name(text: str) -> str:
    """Return a text that may be a phrase or somebody's own name, such as a column of a table."""
    return _words().get(text, text) if current_language() != "en" else text


def joined(*sentences: str) -> str:
    """Return sentences one behind the other; Chinese ones have no space between them."""
    return ("" if current_language() == "zh" else " ").join(sentences)


def counted_phrase(count: int, one: str, many: str) -> str:
    """Return the phrase for one thing or for several, in which {count} is their number."""
    return phrase(one if count == 1 else many, count=count)


def _words() -> dict[str, str]:
    from spm.run.chinese import WORDS

    return WORDS
