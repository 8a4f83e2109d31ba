"""What `--help` says of a setting: its text, what values look like, what is taken without it."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

# "None takes the file's.", "None: beside each file.": what a text says of a missing value.
_WITHOUT = re.compile(r"(?:^|(?<=[.)] ))None(?: takes| means|:) (.+?)\.(?= |$)")
_REQUIRED = re.compile(r"[;,] must be given(?=\.|$)")


def help_words(text: str, hint: Any, default: Any, words: str | None) -> tuple[str, str]:
    """Return the text of a flag, and the remark in brackets behind it.

    Args:
        text: what stands below the setting; a sentence that begins with "None takes" or "None:"
            says what a missing value means.
        hint: the setting's annotation.
        default: its default.
        words: what is taken without the flag, where the script knows it better.
    """
    if _REQUIRED.search(text):
        return _REQUIRED.sub("", text), "(required)"
    if bare(hint) is bool:
        return (f"Switches this off: {text}", "") if default else (text, "")
    if default is None:
        told = _WITHOUT.search(text)
        if told:
            text = " ".join((text[: told.start()] + text[told.end() :]).split())
        words = words or (told[1] if told else "")
        return text, f"(default: {words})" if words else ""
    words = words or _value(default)
    return text, f"(default: {words})" if words else ""


def metavar(hint: Any) -> str | None:
    """Return how a flag's values are shown: `INT`, `{a,b}`, `PATH ...`; nothing for a switch."""
    wanted = bare(hint)
    origin, items = get_origin(wanted) or wanted, get_args(wanted)
    if origin is bool:
        return None
    if origin is Literal:
        return "{" + ",".join(str(item) for item in items) + "}"
    if origin is list or (origin is tuple and Ellipsis in items):
        return f"{metavar(items[0])} ..."
    if origin is tuple:
        return " ".join(str(metavar(item)) for item in items)
    if origin in (Union, types.UnionType):
        return "|".join(str(metavar(item)) for item in items if item is not type(None))
    return {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}.get(origin, "VALUE")


def bare(hint: Any) -> Any:
    """Return an annotation without its range and, where one kind is left, without None."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        items = [item for item in get_args(hint) if item is not type(None)]
        return bare(items[0]) if len(items) == 1 else hint
    return hint


def _value(default: Any) -> str:
    """Return a default as it is typed on the command line."""
    if isinstance(default, Path):
        return str(default)
    if isinstance(default, list | tuple):
        return " ".join(_value(item) for item in default)
    if isinstance(default, float):
        return f"{default:.12g}"
    return str(default)
