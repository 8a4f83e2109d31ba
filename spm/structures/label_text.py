"""Labels as people and programs type them: what looks the same is the same, or is named."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

# Letters of other alphabets that look like a Latin one (Unicode TR 39, confusables).
_LOOKS_LIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХаеіјорсухѕԁһΑΒΕΖΗΙΚΜΝΟΡΤΥΧονı",
    "ABESIJKMHOPCTXaeijopcyxsdhABEZHIKMNOPTYXovi",
)
_SPACES = re.compile(" {2,}")
# Kinds of compatibility characters that are another way to type a character. Superscripts and
# subscripts are not among them: they stand in formulas.
_SAME = ("<wide>", "<narrow>", "<noBreak>", "<compat>", "<font>")


def clean_label(text: str) -> str:
    """Return a label with one way to write what looks the same.

    Full-width letters and digits, spaces that do not break and dashes become the plain ones;
    characters without width go, and so do spaces at the ends and all but one of several.
    """
    if text.isascii():
        return _SPACES.sub(" ", text.strip())
    text = unicodedata.normalize("NFC", text)
    plain = []
    for character in text:
        kind = unicodedata.category(character)
        if kind == "Cf":  # no width: zero-width space, direction marks, soft hyphen, BOM
            continue
        if kind == "Pd" or character == "\N{MINUS SIGN}":
            character = "-"
        elif kind == "Zs":
            character = " "
        elif unicodedata.decomposition(character).startswith(_SAME):
            character = unicodedata.normalize("NFKC", character)
        plain.append(character)
    return _SPACES.sub(" ", "".join(plain).strip())


def odd_characters(label: str, known_names: Sequence[str]) -> str:
    """Return how a label differs from what it seems to be, such as "has 'а' (CYRILLIC SMALL LETTER
    A)"; empty when nothing in it looks like another character."""
    known = set("".join(known_names))
    odd = dict.fromkeys(c for c in label if _plain(c) != c and c not in known)
    named = [f"{c!r} ({unicodedata.name(c, 'without a name')})" for c in odd]
    return f"has {' and '.join(named)}" if named else ""


def without_odd(label: str) -> str:
    """Return a label with the Latin letters and digits that its characters look like."""
    return "".join(map(_plain, label))


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Nd":  # a digit of another script
        return str(unicodedata.digit(character))
    return character.translate(_LOOKS_LIKE)


def nearest_name(name: str, known_names: Sequence[str]) -> str:
    """Return the class name that a name is a slip of; empty when there is none."""
    folded = {known.casefold(): known for known in known_names}
    wanted = without_odd(name).casefold()
    if wanted in folded:
        return folded[wanted]
    near = difflib.get_close_matches(wanted, list(folded), n=1, cutoff=0.75)
    return folded[near[0]] if near and len(wanted) > 2 else ""


# Latin letters and digits that are taken for one another on a screen.
_CONFUSED = str.maketrans("oOiIlLsSzZbBgG|!", "0011115522889911")
RARER = 5  # times fewer molecules than of a name that differs by one character: a slip?
SHORT = 3  # characters, below which names that differ by one are usual (A, B)


def slips(counts: Mapping[str, int]) -> list[list[str]]:
    """Return groups of names of which some may be typing errors, the rarest last.

    Args:
        counts: name -> how often it occurs. Two names are near when they differ by upper and lower
            case or by characters that look alike (0 and O, 1 and l), or when they differ by one
            character (more, less, another, or two exchanged) and one of them is rare.
    """
    names = [name for name, count in counts.items() if count]
    groups: list[set[str]] = []
    for k, one in enumerate(names):
        for other in names[:k]:
            if _is_slip(one, counts[one], other, counts[other]):
                together = [group for group in groups if group & {one, other}]
                groups = [group for group in groups if group not in together]
                groups.append({one, other}.union(*together))
    order = {name: (-counts[name], k) for k, name in enumerate(names)}
    return [sorted(group, key=order.__getitem__) for group in groups]


def _is_slip(one: str, count: int, other: str, other_count: int) -> bool:
    if _looks(one) == _looks(other):
        return True
    rare = min(count, other_count) * RARER <= max(count, other_count)
    return rare and max(len(one), len(other)) >= SHORT and _one_apart(one, other)


def _looks(name: str) -> str:
    return re.sub("[ _-]", "", without_odd(name)).translate(_CONFUSED).casefold()


def _one_apart(one: str, other: str) -> bool:
    """Return whether one character more, less or different, or two exchanged, make one text of the
    other."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    start = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    if one[start + 1 :] == other[start + 1 :]:
        return True
    exchanged = one[start : start + 2] == other[start : start + 2][::-1]
    return exchanged and one[start + 2 :] == other[start + 2 :]
