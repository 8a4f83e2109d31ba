"""Classes: which one a molecule belongs to, by the label that the user wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from spm.structures.label_text import clean_label, nearest_name, odd_characters, without_odd

_NUMBER = r"[ _-]?[0-9]+"  # the serial number at a label's end


def class_of(label: str, class_names: Sequence[str]) -> str:
    """Return the class of a label: the longest class name that it starts with.

    After the name there may be nothing, or digits with a space, `-` or `_` before them. Characters
    that look the same are the same (`spm.structures.label_text.clean_label`).

    Raises:
        ValueError: when no class name fits; the sentence says which one may be meant.
    """
    name = _class_or_none(clean_label(label), class_names)
    if name is not None:
        return name
    known = ", ".join(class_names) or "none"
    raise ValueError(
        f"label {label!r} belongs to no known class ({known}); {_way_out(label, class_names)}"
    )


def _class_or_none(label: str, class_names: Sequence[str]) -> str | None:
    for name in sorted(class_names, key=len, reverse=True):
        start = clean_label(name)
        if label.startswith(start) and re.fullmatch(f"({_NUMBER})?", label[len(start) :]):
            return name
    return None


def _way_out(label: str, class_names: Sequence[str]) -> str:
    cleaned = clean_label(label)
    odd = odd_characters(cleaned, class_names)
    meant = _class_or_none(without_odd(cleaned), class_names) if odd else None
    meant = meant or nearest_name(without_number(cleaned), class_names)
    if not meant:
        return "correct the label or add its class"
    return f"{f'it {odd}; ' if odd else ''}did you mean {meant}? Correct the label or add its class"


def without_number(label: str) -> str:
    """Return a label without the serial number at its end: the class that it suggests.

    `003a12` suggests `003a`, `molecule A-3` `molecule A`. Digits alone are a class.
    """
    label = clean_label(label)
    return re.sub(_NUMBER + "$", "", label) or label


def numbered(class_name: str, number: int) -> str:
    """Return the label of a class's molecule with a serial number (`003a12`).

    A class whose name ends with a digit gets a dash (`13-2`), or class 1 number 31 would read as
    class 13 number 1.
    """
    return f"{class_name}{'-' if class_name[-1:].isdigit() else ''}{number}"


def suggested_classes(labels: Iterable[str], known: Sequence[str] = ()) -> list[str]:
    """Return the sorted class names that labels suggest.

    Args:
        labels: with or without serial numbers.
        known: class names that a file states (`Annotation.class_names`): `C60` is then a class and
            not number 60 of a class `C`.
    """
    return sorted({_class_or_none(clean_label(x), known) or without_number(x) for x in labels})


def check_class_names(class_names: Sequence[str]) -> list[str]:
    """Return what is wrong with a list of class names, as sentences; empty when all is well."""
    problems = []
    for i, name in enumerate(class_names):
        if not isinstance(name, str) or not name.strip() or name != name.strip():
            problems.append(f"class name {name!r} is empty or has spaces around it; correct it.")
            continue
        if clean_label(name) in [clean_label(str(other)) for other in class_names[:i]]:
            problems.append(f"class name {name!r} is in the list twice; remove one.")
            continue
        for other in class_names:
            if other != name and re.fullmatch(re.escape(str(other)) + _NUMBER, name):
                problems.append(
                    f"class names {other!r} and {name!r} collide: a label {name!r} could be "
                    f"either; rename one of them."
                )
    return problems
