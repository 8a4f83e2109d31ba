"""Classes: which one a molecule belongs to, decided once, from the label that the user wrote."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spm.run.files import natural_sorted
from spm.structures.label_text import (
    clean_label,
    nearest_name,
    odd_characters,
    slips,
    without_odd,
)
from spm.structures.labels_together import names_in, names_without_number, without_number

_NUMBER = r"[ _-]?[0-9]+"  # the serial number at a label's end
_SHOWN = 3  # labels of one kind of slip that a sentence names
_HIGH = 100  # from this number on it is said how a label was read


class Classes(Sequence[str]):
    """The known classes, and what each label means by them.

    The class of a label is the longest class name that it starts with. After the name there may be
    nothing, or digits with a space, `-` or `_` before them: the serial number. Characters that look
    the same are the same (`spm.structures.label_text.clean_label`).

    It is a sequence of names, in the order of colours and of the network's classes, the background
    left out.
    """

    def __init__(self, names: Iterable[str]):
        self.names = tuple(names)
        # Of two names that are written alike the first one counts.
        cleaned = {clean_label(str(name)): name for name in reversed(self.names)}
        self._longest_first = sorted(cleaned.items(), key=lambda pair: -len(pair[0]))
        self._known: dict[str, tuple[str | None, int | None]] = {}

    @classmethod
    def of(cls, names: Iterable[str]) -> Classes:
        """Return the classes of these names, or the classes themselves."""
        return names if isinstance(names, Classes) else cls(names)

    @classmethod
    def from_labels(cls, labels: Iterable[str], stated: Iterable[str] = ()) -> Classes:
        """Return the classes that labels suggest, seen together, in natural order.

        Args:
            labels: with or without serial numbers.
            stated: class names that a file states (`Annotation.class_names`): `C60` is then a
                class and not number 60 of a class `C`. Those that no label has are left out.
        """
        labels, known = list(labels), cls(stated)
        found = {name for label in labels if (name := known.find(label))}
        others = names_in(label for label in labels if known.find(label) is None)
        return cls(natural_sorted(sorted(found | others)))

    def __getitem__(self, index):
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classes) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return f"Classes({list(self.names)})"

    def __str__(self) -> str:
        return ", ".join(self.names)

    def read(self, label: str) -> tuple[str | None, int | None]:
        """Return a label's class and serial number; None for the class that it has not got, and
        for the number that it does not say."""
        if label not in self._known:
            self._known[label] = self._read(clean_label(label))
        return self._known[label]

    def _read(self, label: str) -> tuple[str | None, int | None]:
        for start, name in self._longest_first:
            rest = label[len(start) :]
            if label.startswith(start) and re.fullmatch(f"({_NUMBER})?", rest):
                return name, int(rest.lstrip(" _-")) if rest else None
        return None, None

    def find(self, label: str) -> str | None:
        """Return the class of a label, None for one of no known class."""
        return self.read(label)[0]

    def class_of(self, label: str) -> str:
        """Return the class of a label.

        Raises:
            ValueError: when no class name fits; the sentence says which one may be meant.
        """
        if name := self.find(label):
            return name
        raise ValueError(self.unknown([label])[0])

    def unknown(self, labels: Iterable[str]) -> list[str]:
        """Return a clause for each kind of label that belongs to no class: `label 'x1' belongs to
        no known class (A, B); did you mean ...`."""
        return [clause for _, clause in self.unknown_kinds(labels)]

    def unknown_kinds(self, labels: Iterable[str]) -> list[tuple[list[str], str]]:
        """Return the labels of each clause of `unknown`, and the clause."""
        kinds: dict[tuple[str, str], list[str]] = {}
        for label in dict.fromkeys(labels):
            if self.find(label) is None:
                kind = self._way_out(label), without_number(label)
                kinds.setdefault(kind, []).append(label)
        known = ", ".join(map(str, self.names)) or "none"
        return [
            (found, f"{_listed(found)} to no known class ({known}); {advice}")
            for (advice, _), found in kinds.items()
        ]

    def _way_out(self, label: str) -> str:
        cleaned = clean_label(label)
        odd = odd_characters(cleaned, self.names)
        meant = self._read(without_odd(cleaned))[0] if odd else None
        meant = meant or nearest_name(without_number(cleaned), self.names)
        if not meant:
            return "correct the label or add its class"
        looks = f"it {odd}; " if odd else ""
        return f"{looks}did you mean {meant}? Correct the label or add its class"

    def problems(self) -> list[str]:
        """Return what is wrong with the names, as sentences; empty when all is well."""
        found = []
        for i, name in enumerate(self.names):
            if not isinstance(name, str) or not name.strip() or name != name.strip():
                found.append(f"class name {name!r} is empty or has spaces around it; correct it.")
                continue
            if clean_label(name) in [clean_label(str(other)) for other in self.names[:i]]:
                found.append(f"class name {name!r} is in the list twice; remove one.")
                continue
            for other in self.names:
                if other != name and re.fullmatch(re.escape(str(other)) + _NUMBER, name):
                    found.append(
                        f"class names {other!r} and {name!r} collide: a label {name!r} could be "
                        f"either; rename one of them."
                    )
        return found

    def count(self, labels: Iterable[str]) -> dict[str, int]:
        """Return how many labels each class has; labels of no class do not count."""
        found = Counter(self.find(label) for label in labels)
        return {name: found[name] for name in self.names}

    def counted(self, labels: Sequence[str]) -> str:
        """Return the names with their counts, and an example where a label may be read in more than
        one way: `003a (8), C60 (12, such as C601)`."""
        counts = self.count(labels)
        shown = [f"{name} ({n}{self._example(name, labels)})" for name, n in counts.items()]
        return ", ".join(shown) or "none"

    def _example(self, name: str, labels: Iterable[str]) -> str:
        """Return a label of a class where it is not plain how it was read, such as C601."""
        for label in labels:
            found, number = self.read(label)
            joined = number is not None and clean_label(label)[len(name) :][:1].isdigit()
            if found == name and joined and (name[-1:].isdigit() or number >= _HIGH):
                return f", such as {label}"
        return ""


def _listed(labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return f"label {labels[0]!r} belongs"
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return f"labels {', '.join(map(repr, labels[:_SHOWN]))}{more} belong"


def questions(counts: Mapping[str, int]) -> list[str]:
    """Return a question for each group of class names of which some may be typing errors.

    Args:
        counts: class name -> molecules.
    """
    found = []
    for group in slips(counts):
        names = ", ".join(f"{name} ({counts[name]})" for name in group)
        found.append(
            f"{names}: a typing error? Each of them is taken as a class of its own. If one is "
            "wrong, correct its labels in labelme; if all are meant, nothing needs to be done."
        )
    return found


def part_names(names: Sequence[str]) -> list[str]:
    """Return names parted at commas: `A,B` as it is written behind `--class-names`."""
    return [part.strip() for name in names for part in name.split(",") if part.strip()]


@dataclass(frozen=True)
class ClassChoice:
    """What decides the classes, as soon as the labels are known.

    Attributes:
        given: the user's names; None takes them from elsewhere. A name with a comma that no label
            has is several names.
        known: those of the weights that training starts from, kept where all labels are theirs.
        fixed: `known` are kept whatever the labels say.
    """

    given: Sequence[str] | None = None
    known: Sequence[str] | None = None
    fixed: bool = False

    def of(self, labels: Iterable[str], stated: Iterable[str] = ()) -> Classes:
        """Return the classes of these labels.

        Args:
            labels: of all molecules.
            stated: see `Classes.from_labels`.
        """
        labels = list(labels)
        if self.given is not None:
            given = Classes.of(self.given)
            with_comma = [name for name in given if isinstance(name, str) and "," in name]
            if with_comma and not any(given.find(label) in with_comma for label in labels):
                return Classes(part_names(given))
            return given
        if self.known:
            known = Classes.of(self.known)
            if self.fixed or all(map(known.find, labels)):
                return known
        return Classes.from_labels(labels, stated)

    def of_images(self, images: Sequence[Sequence[str]], stated: Iterable[str] = ()) -> Classes:
        """Return the classes of the labels of some images.

        Args:
            images: the labels of the molecules in each image.
            stated: see `Classes.from_labels`.
        """
        labels = [label for one in images for label in one]
        return self.of(labels, [*stated, *names_without_number(images)])

    def said(self, classes: Classes, labels: Sequence[str]) -> list[str]:
        """Return what was understood of labels where nobody named the classes, as lines: `Classes
        from the labels: 003a (8), 020a (13)`, and a question for each group of names of which one
        may be a typing error.

        Args:
            classes: as `of` decided.
            labels: of the user's molecules.
        """
        if self.given is not None:
            return []
        if self.known and classes == Classes.of(self.known):
            return [f"Classes of the weights: {classes.counted(labels)}"]
        asked = questions(classes.count(labels))
        return [f"Classes from the labels: {classes.counted(labels)}", *asked]


LABELS_DECIDE = ClassChoice()


def numbered(class_name: str, number: int) -> str:
    """Return the label of a class's molecule with a serial number (`003a12`).

    A class whose name ends with a digit gets a dash (`13-2`), or class 1 number 31 would read as
    class 13 number 1.
    """
    return f"{class_name}{'-' if class_name[-1:].isdigit() else ''}{number}"
