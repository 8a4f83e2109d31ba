"""Looking at everything before anything is started: what is wrong, and what should be looked at.

Problems stop the workflow. Hints do not: they may be meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spm.checks.source_folder import folder_hints
from spm.checks.unlike import Appearance, alike, seen, unlike
from spm.errors import InputError
from spm.geometry.polygons import diameter
from spm.instruments.inputs import left_out_sentences, list_inputs, open_image
from spm.run.words import counted
from spm.similarity.unlabelled import find_unlabelled
from spm.structures.annotation import (
    Annotation,
    check_with_image,
    classes_of,
    iter_annotations,
    read_annotations,
)
from spm.structures.classes import LABELS_DECIDE, ClassChoice, Classes
from spm.structures.instance_masks import shape_masks
from spm.structures.placed import Placed
from spm.structures.same_image import annotated_twice
from spm.structures.shape import region, region_area, titles

OVERLAP = 0.05  # IoU of two outlines, above which they are reported
TWICE = 0.6  # ... above which one molecule seems to be outlined twice
LEAVES = 0.5  # pixels out of the image
OUTLIER = 1.6  # diameters that many times larger or smaller than the class's median
RARE = 5  # times fewer molecules than of the most frequent class
FEW = 8  # molecules of a class that are hardly enough to learn from
FEW_OF_A_CLASS = "few molecules of a class"  # kind of hint
ALIKE = 3  # problems of one kind that are told one by one
SHOWN = 12  # at most so many of one kind of hint are written out


@dataclass
class ClassSizes:
    """The outlined molecules of one class: diameters sqrt(4 area / pi) in pixels."""

    diameters: list[float] = field(default_factory=list)
    where: list[Placed] = field(default_factory=list)

    def line(self, name: str) -> str:
        """Return count and sizes as a sentence."""
        if not self.diameters:
            return f"{name}: none outlined"
        low, middle, high = np.percentile(self.diameters, [0, 50, 100])
        return (
            f"{name}: {len(self.diameters)} outlined; diameter {middle:.1f} pixels (median), "
            f"smallest {low:.1f}, largest {high:.1f}"
        )

    def outliers(self) -> list[str]:
        """Return a sentence for each molecule whose size is far from the others'."""
        if len(self.diameters) < 4:
            return []
        middle = float(np.median(self.diameters))
        return [
            Placed(
                f"{where}: diameter {d:.1f} pixels, the class's median is {middle:.1f}",
                where.path,
                where.shapes,
            )
            for where, d in zip(self.where, self.diameters, strict=True)
            if max(d / middle, middle / d) > OUTLIER
        ]


@dataclass
class Findings:
    """What a look at the input gave.

    Attributes:
        problems: sentences; nothing can be started before they are mended. Those on an annotation
            know their place (`Placed`), as hints do.
        hints: kind -> sentences.
        names: the classes.
        read: lines on what was understood of the labels, where they name the classes.
        classes: class name -> sizes.
        sizes: (height, width) of each annotated image that can be used.
        annotated: how many annotated images there are, usable or not.
        to_recognise: how many images are there to be recognised.
    """

    problems: list[str] = field(default_factory=list)
    hints: dict[str, list[str]] = field(default_factory=dict)
    names: Classes = Classes(())
    read: list[str] = field(default_factory=list)
    classes: dict[str, ClassSizes] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    annotated: int = 0
    to_recognise: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Molecules of each class."""
        return {name: len(sizes.diameters) for name, sizes in self.classes.items()}

    def hint(self, kind: str, sentences: Sequence[str]) -> None:
        """Add sentences of one kind."""
        if sentences:
            self.hints.setdefault(kind, []).extend(sentences)


def look(
    source_dir: Path, images_dir: Path, choice: ClassChoice = LABELS_DECIDE, hints: bool = True
) -> Findings:
    """Read all annotated images and the images to recognise.

    Args:
        source_dir: folder of NAME.png and NAME.json; copies that a step made are left out.
        images_dir: folder of the images to recognise.
        choice: of the classes.
        hints: also look for what may be meant; takes longer.
    """
    findings = Findings()
    missing, paths = "", []
    try:
        paths = iter_annotations(source_dir)
    except InputError as error:
        missing = str(error)
    read, broken = read_annotations(paths)
    findings.problems += broken
    read = [annotation for annotation in read if annotation.derived is None]
    findings.annotated = len(read) + len(broken)
    _decide_classes(read, choice, findings)
    own, appearances = _look_at_sources(read, findings, hints)
    if hints and paths:
        for kind, sentences in folder_hints(paths[0].parent, own).items():
            findings.hint(kind, sentences)
        findings.hint("annotated images that are unlike each other", unlike(appearances))
        findings.hint("copies of one image, each annotated", alike(appearances))
    if missing or not findings.annotated:
        findings.problems.append(
            missing
            or f"{source_dir}: there is no annotated image; put NAME.png and labelme's "
            "NAME.json there."
        )
    elif not findings.problems and not sum(findings.counts.values()):
        findings.problems.append(
            f"{source_dir}: no molecule is outlined in any image; outline some in labelme."
        )
    _look_at_images(Path(images_dir), findings, hints)
    if hints:
        _compare_classes(findings)
    return findings


def _decide_classes(
    annotations: Sequence[Annotation], choice: ClassChoice, findings: Findings
) -> None:
    """Decide the classes, and say what was understood of the labels."""
    labels = [label for annotation in annotations for label in annotation.labels]
    names = findings.names = classes_of(annotations, choice)
    findings.classes = {name: ClassSizes() for name in names}
    findings.problems += names.problems()
    if choice.given is not None and not names:
        findings.problems.append("there is no class name; name the molecules in class_names.")
    if choice.given is None and labels:
        findings.read = choice.said(names, labels)
        findings.problems += nameless(names, labels)


def nameless(classes: Classes, labels: Sequence[str]) -> list[str]:
    """Return a sentence when all labels are numbers, each of another molecule."""
    if len(labels) < 4 or len(classes) < len(labels) or not all(map(str.isdigit, classes)):
        return []
    return [
        f"the labels are numbers alone ({', '.join(classes[:3])} and {len(classes) - 3} more) and "
        "name no class; write the class before the number in labelme, such as A1."
    ]


def _look_at_sources(
    read: Sequence[Annotation], findings: Findings, hints: bool
) -> tuple[list[Annotation], list[Appearance]]:
    """Look at the user's annotations; return them with their classes, and with hints what the
    usable ones look like."""
    own, appearances = [annotation.classified(findings.names) for annotation in read], []
    for annotation in own:
        wrong = check_with_image(annotation)
        if not wrong:
            try:
                image = annotation.read_image()
            except InputError as error:
                wrong.append(Placed(str(error), annotation.path))
        if wrong:
            findings.problems += wrong
            continue
        findings.sizes.append((annotation.height, annotation.width))
        _measure(annotation, findings)
        if hints:
            appearances.append(seen(annotation, image))
            findings.hint("overlapping outlines", overlaps(annotation))
            findings.hint("outlines that leave the image", leaving(annotation))
            findings.hint("looks like a molecule but has no outline",
                          unlabelled(annotation, image))  # fmt: skip
    findings.problems += [sentence for _, sentence in annotated_twice(own)]
    return own, appearances


def _look_at_images(folder: Path, findings: Findings, thoroughly: bool) -> None:
    images = list_inputs(folder) if folder.is_dir() else []
    findings.to_recognise = len(images)
    if not images:
        findings.problems.append(
            f"{folder}: there is no image to recognise; put some there (the image that "
            "the annotated crop comes from, for example)."
        )
    broken = []
    for path in images if thoroughly else ():
        try:
            open_image(path)
        except InputError as error:
            broken.append(str(error))
    findings.hint("images that cannot be recognised (the others can)", broken)
    findings.hint(
        "files that nothing here reads", left_out_sentences(folder) if folder.is_dir() else []
    )


def _measure(annotation: Annotation, findings: Findings) -> None:
    shapes = annotation.shapes
    for shape, title in zip(shapes, titles(shapes), strict=True):
        sizes = findings.classes[annotation.class_of(shape)]
        sizes.diameters.append(float(diameter(region_area(shape))))
        text = f"{annotation.path.name}: {title}"
        sizes.where.append(Placed(text, annotation.path, [shape.number]))


def overlaps(annotation: Annotation) -> list[str]:
    """Return a sentence for each pair of outlines whose IoU is above OVERLAP."""
    masks = shape_masks(annotation)
    boxes = np.array([mask.box for mask in masks]).reshape(-1, 4)
    names = titles(annotation.shapes)
    found = []
    for i in range(len(masks)):
        later = boxes[i + 1 :]
        near = (later[:, :2] < boxes[i, 2:]).all(1) & (later[:, 2:] > boxes[i, :2]).all(1)
        for j in i + 1 + np.flatnonzero(near):
            iou = masks[i].iou(masks[j])
            if iou > OVERLAP:
                labels = f"{names[i]} and {names[j]}"
                twice = "; one molecule outlined twice?" if iou > TWICE else ""
                text = f"{annotation.path.name}: {labels}, IoU {iou:.2f}{twice}"
                both = [annotation.shapes[k].number for k in (i, j)]
                found.append(Placed(text, annotation.path, both))
    return found


def leaving(annotation: Annotation) -> list[str]:
    """Return a sentence for each outline that leaves the image by more than LEAVES pixels."""
    size = annotation.width, annotation.height
    found = []
    for shape, title in zip(annotation.shapes, titles(annotation.shapes), strict=True):
        points = region(shape)
        outside = np.maximum(points - size, -points).max()
        if outside > LEAVES:
            text = f"{annotation.path.name}: {title}, by {outside:.1f} pixels"
            found.append(Placed(text, annotation.path, [shape.number]))
    return found


def unlabelled(annotation: Annotation, image: np.ndarray) -> list[str]:
    """Return a sentence for each place that looks like a molecule and has no outline."""
    outlines = [region(shape) for shape in annotation.shapes]
    names = [annotation.class_of(shape) for shape in annotation.shapes]
    partial = " (the image is marked partial)" if annotation.partial else ""
    return [
        Placed(
            f"{annotation.path.name}: x {place.x:.0f}, y {place.y:.0f}, like {place.class_name} "
            f"(correlation {place.correlation:.2f}){partial}",
            annotation.path,
            point=(place.x, place.y),
        )
        for place in find_unlabelled(image, outlines, names)
    ]


def _compare_classes(findings: Findings) -> None:
    for sizes in findings.classes.values():
        findings.hint("molecules of unusual size", sizes.outliers())
    counts = findings.counts
    most = max(counts.values(), default=0)
    sentences = []
    for name, count in counts.items():
        if most and not count:
            sentences.append(f"{name}: no molecule is outlined; the network cannot learn it")
        elif count and count * RARE <= most:
            sentences.append(f"{name}: {most / count:.0f} times fewer than the most frequent class")
        elif 0 < count < FEW:
            sentences.append(
                f"{name}: only {count} outlined; {FEW} or more are better, or --examples"
            )
    findings.hint(FEW_OF_A_CLASS, sentences)


def folded(problems: Sequence[str]) -> list[str]:
    """Return problems with many of one kind told in one sentence: the first, how many more there
    are, and in which files."""
    kinds: dict[str, list[str]] = {}
    for problem in dict.fromkeys(problems):
        _, _, rest = problem.partition(": ")
        kinds.setdefault(re.sub(r"'[^']*'|[0-9.]*[0-9]", "#", rest) or problem, []).append(problem)
    found = []
    for group in kinds.values():
        if len(group) <= ALIKE:
            found += group
            continue
        places = dict.fromkeys(Path(problem.partition(": ")[0]).name for problem in group)
        first, *others = places
        more = f" and {len(others) - ALIKE} more" if len(others) > ALIKE else ""
        where = f" in {', '.join(others[:ALIKE])}{more}" if others else f" in {first}"
        found.append(f"{group[0].rstrip('.')} ({len(group) - 1} more like it{where}).")
    return found


def report(findings: Findings) -> list[str]:
    """Return the findings as lines of text, problems left out."""
    said = [
        f"{len(findings.sizes)} of {counted(findings.annotated, 'annotated image')} can be used, "
        f"{counted(findings.to_recognise, 'image')} to recognise"
    ]
    said += findings.read
    said += [f"  {sizes.line(name)}" for name, sizes in findings.classes.items()]
    for kind, sentences in findings.hints.items():
        said.append(f"{kind}: {len(sentences)}")
        said += [f"  {sentence}" for sentence in sentences[:SHOWN]]
        if len(sentences) > SHOWN:
            said.append(f"  and {len(sentences) - SHOWN} more")
    if not findings.hints and findings.sizes:
        said.append("nothing unusual was seen in what can be used")
    return said


def conclusion(findings: Findings) -> str:
    """Return the last line: whether a run can be started."""
    if not findings.problems:
        return "everything is ready for a run (--check starts nothing)"
    things = counted(len(folded(findings.problems)), "problem")
    usable = " (the estimate is for the others)" if findings.sizes else ""
    return f"{things} to correct before a run{usable}:"
