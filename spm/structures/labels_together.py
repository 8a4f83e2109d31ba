"""The class names that labels suggest when they are seen together.

Alone, `C6012` may be number 6012 of a class C, number 12 of C60 or number 2 of C601. The plain rule
takes all digits for the number. It gives way only where the labels as a whole say so: a separator
shows where a name ends (`C60-2`), the plain numbers leave wide gaps that another place of the
name's end closes (`C601` ... `C609`, `C6010`: C60, 1 to 10), or the molecules of one image share
their labels, as they do no serial numbers (`C60` twelve times, `C70` nine times).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from spm.structures.label_text import clean_label

_SEPARATED = re.compile(r"(.+?)[ _-]([0-9]+)")
_JOINED = re.compile(r"(.*?)([0-9]+)")
FEWEST = 3  # molecules, from which numbers that count from 1 are a sign
GAPS = 3  # times as many numbers as molecules, and SLACK: still the numbers of one class
SLACK = 10
SHARED = 2  # molecules of an image that have the same label, on average: it is no number's


def without_number(label: str) -> str:
    """Return a label without the serial number at its end: the class that it suggests alone.

    `003a12` suggests `003a`, `molecule A-3` `molecule A`. Digits alone are a class.
    """
    label = clean_label(label)
    return re.sub(r"[ _-]?[0-9]+$", "", label) or label


def names_without_number(images: Iterable[Iterable[str]]) -> list[str]:
    """Return the labels that end in digits and are class names all the same, because the molecules
    of an image share them.

    One label given twice by mistake makes none: what counts is all labels of one beginning.

    Args:
        images: the labels of the molecules in each image.
    """
    counts = [Counter(map(clean_label, labels)) for labels in images]
    stems: dict[str, list[tuple[str, int]]] = {}
    for label, count in (pair for one in counts for pair in one.items()):
        match = None if _SEPARATED.fullmatch(label) else _JOINED.fullmatch(label)
        if match and match[1] and not any(match[1] in one for one in counts):
            stems.setdefault(match[1], []).append((label, count))
    found: list[str] = []
    for pairs in stems.values():
        if sum(count for _, count in pairs) >= SHARED * len(pairs):
            shared = {label for label, count in pairs if count > 1}
            found += shared
            found += {label for label, _ in pairs if not label.startswith(tuple(shared))}
    return found


def names_in(labels: Iterable[str]) -> set[str]:
    """Return the class names that labels suggest, in no order."""
    cleaned = dict.fromkeys(c for label in labels if (c := clean_label(label)))
    shown = {match[1] for label in cleaned if (match := _SEPARATED.fullmatch(label))}
    names = set(shown)
    stems: dict[str, set[str]] = {}
    for label in cleaned:
        match = None if _SEPARATED.fullmatch(label) else _JOINED.fullmatch(label)
        if match:
            stems.setdefault(match[1], set()).add(match[2])
        elif not _SEPARATED.fullmatch(label):
            names.add(label)
    for stem, digits in stems.items():
        names |= _names_of_stem(stem, digits, shown)
    return names


def _names_of_stem(stem: str, digits: set[str], shown: set[str]) -> set[str]:
    """Return the names of labels that are a stem and digits, in one piece.

    Args:
        stem: what all of them start with; it ends without a digit.
        digits: what follows.
        shown: the names that a separator shows.
    """
    ends = tuple(name[len(stem) :] for name in shown
                 if re.fullmatch(re.escape(stem) + "[0-9]+", name))  # fmt: skip
    covered = {one for one in digits if one.startswith(ends)} if ends else set()
    if not stem:
        return digits - covered  # digits alone are a class
    if ends and (digits <= set(ends) or not _one_class(digits)):
        return {stem} if digits - covered else set()
    found = None if _one_class(digits) else _ends(digits)
    return {stem + end for end in found} if found else {stem}


def _one_class(digits: set[str]) -> bool:
    """Return whether these can be the numbers of one class: they leave no wide gaps."""
    numbers = sorted(map(int, digits))
    return numbers[-1] - numbers[0] + 1 <= GAPS * len(numbers) + SLACK


def _ends(digits: set[str], end: str = "") -> set[str] | None:
    """Return the digits at which names end, such that each name's numbers count from 1; None when
    there are none."""
    rests = {one[len(end) :] for one in digits}
    if end and _count_up(rests):
        return {end}
    if "" in rests:
        return None
    found: set[str] = set()
    for first in {rest[0] for rest in rests}:
        deeper = _ends({one for one in digits if one.startswith(end + first)}, end + first)
        if deeper is None:
            return None
        found |= deeper
    return found


def _count_up(rests: set[str]) -> bool:
    """Return whether these digits count from 1, nearly without a gap, in one way to write them."""
    numbered = rests - {""}
    if len(numbered) < FEWEST:
        return False
    padded = any(one[0] == "0" and one != "0" for one in numbered)
    if padded and (len({*map(len, numbered)}) > 1 or all(one[0] == "0" for one in numbered)):
        return False
    numbers = {*map(int, numbered)}
    return min(numbers) <= 1 and max(numbers) <= 1.25 * len(numbers) + 1
