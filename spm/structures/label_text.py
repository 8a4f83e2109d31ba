"""Labels as people and programs type them: what looks the same is the same, or is named."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence

# Letters of other alphabets that look like a Latin one (Unicode TR 39, confusables).
_LOOKS_LIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХаеіјорсухѕԁһΑΒΕΖΗΙΚΜΝΟΡΤΥΧονı",
    "ABESIJKMHOPCTXaeijopcyxsdhABEZHIKMNOPTYXovi",
)
# Kinds of compatibility characters that are another way to type a character. Superscripts and
# subscripts are not among them: they stand in formulas.
_SAME = ("<wide>", "<narrow>", "<noBreak>", "<compat>", "<font>")


def clean_label(text: str) -> str:
    """Return a label with one way to write what looks the same.

    Full-width letters and digits, spaces that do not break and dashes become the plain ones;
    characters without width go, and so do spaces at the ends.
    """
    if text.isascii():
        return text.strip()
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
    return "".join(plain).strip()


def odd_characters(label: str, class_names: Sequence[str]) -> str:
    """Return how a label differs from what it seems to be, such as "has 'а' (CYRILLIC SMALL LETTER
    A)"; empty when nothing in it looks like another character."""
    known = set("".join(class_names))
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


def nearest_name(name: str, class_names: Sequence[str]) -> str:
    """Return the class name that a name is a slip of; empty when there is none."""
    folded = {known.casefold(): known for known in class_names}
    wanted = without_odd(name).casefold()
    if wanted in folded:
        return folded[wanted]
    near = difflib.get_close_matches(wanted, list(folded), n=1, cutoff=0.75)
    return folded[near[0]] if near and len(wanted) > 2 else ""
