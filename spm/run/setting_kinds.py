"""What values a setting may have: its kind, its range, and the words for both."""

from __future__ import annotations

import math
import numbers
import os
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Which numbers a setting may have; `above` leaves the lowest out."""

    low: float | None = None
    high: float | None = None
    above: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number lies in the range."""
        enough = self.low is None or value > self.low or (value == self.low and not self.above)
        return enough and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low, high = (None if x is None else f"{x:.12g}" for x in (self.low, self.high))
        if low is not None and high is not None:
            return f"above {low} and at most {high}" if self.above else f"from {low} to {high}"
        if low is None:
            return f"of at most {high}"
        return f"above {low}" if self.above else f"of {low} or more"


class _Positional:
    """Marks a setting that is given without a flag."""


POSITIONAL = _Positional()
Positional = Annotated[T, POSITIONAL]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]
Degrees = Annotated[float, Range(1, 179)]
Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
ColourMap = Literal["grey", "hot", "gwyddion", "afmhot", "gold", "wsxm", "cool", "sky"]
Seed = Annotated[int, Range(0, 2**32 - 1)]  # what NumPy and Keras take


def conform(hint: Any, value: Any) -> Any:
    """Return a value in the kind that an annotation asks for.

    Raises:
        ValueError: when it is of another kind or out of range; the text says what it must be.
    """
    wanted, extras = (get_args(hint)[0], hint.__metadata__) if _annotated(hint) else (hint, ())
    if get_origin(wanted) in (Union, types.UnionType):
        return _conform_to_one_of(get_args(wanted), value)
    value = _converted(wanted, value, describe(hint))
    if any(isinstance(extra, Range) and not extra.holds(value) for extra in extras):
        raise ValueError(describe(hint))
    return value


def _annotated(hint: Any) -> bool:
    return get_origin(hint) is Annotated


def _conform_to_one_of(hints: tuple, value: Any) -> Any:
    if value is None and type(None) in hints:
        return None
    wanted = [hint for hint in hints if hint is not type(None)]
    for hint in wanted:
        try:
            return conform(hint, value)
        except ValueError:
            continue
    words = [describe(hint) for hint in wanted] + ["None"] * (type(None) in hints)
    raise ValueError(", or ".join(words))


def _converted(wanted: Any, value: Any, words: str) -> Any:
    """Return the value as a `wanted`, whatever its range."""
    origin = get_origin(wanted) or wanted
    if origin is Literal:
        fits = value in get_args(wanted)
    elif origin in (list, tuple):
        return _converted_list(wanted, origin, value, words)
    elif origin is bool:
        fits = isinstance(value, numbers.Integral) or type(value).__name__ in ("bool", "bool_")
    elif origin is int:
        fits = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    elif origin is float:
        fits = isinstance(value, numbers.Real) and not isinstance(value, bool)
        fits = fits and math.isfinite(value)
    elif origin in (str, Path):
        fits = isinstance(value, str | os.PathLike) and "\0" not in os.fspath(value)
    else:
        fits = isinstance(value, origin)
    if not fits:
        raise ValueError(words)
    return origin(value) if origin in (bool, int, float, str, Path) else value


def _converted_list(wanted: Any, origin: type, value: Any, words: str) -> list | tuple:
    value = [] if value is None else value
    items = get_args(wanted)
    single = isinstance(value, str | bytes) or not isinstance(value, Iterable)
    if single:
        raise ValueError(words)
    values = list(value)
    if origin is tuple and Ellipsis not in items and len(values) != len(items):
        raise ValueError(words)
    kinds = items if origin is tuple and Ellipsis not in items else [items[0]] * len(values)
    try:
        return origin(conform(kind, one) for kind, one in zip(kinds, values, strict=True))
    except ValueError:
        raise ValueError(words) from None


def describe(hint: Any) -> str:
    """Return in words what values an annotation allows: "a whole number from 1 to 8"."""
    extras = hint.__metadata__ if _annotated(hint) else ()
    wanted = get_args(hint)[0] if _annotated(hint) else hint
    origin, items = get_origin(wanted) or wanted, get_args(wanted)
    limits = "".join(f" {extra}" for extra in extras if isinstance(extra, Range))
    if origin in (Union, types.UnionType):
        return ", or ".join("None" if one is type(None) else describe(one) for one in items)
    if origin is Literal:
        names = [repr(one) for one in items]
        return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    if origin is list:
        return f"a list, in which each is {describe(items[0])}"
    if origin is tuple:
        if Ellipsis in items:
            return f"a list, in which each is {describe(items[0])}"
        return f"{len(items)} in brackets: {', '.join(describe(one) for one in items)}"
    words = {
        bool: "True or False", int: "a whole number", float: "a number", str: "a text in quotes",
        Path: "a path in quotes",
    }  # fmt: skip
    return words.get(origin, getattr(origin, "__name__", str(origin))) + limits
