"""The annotated images that training draws from: dataset copies, or the user's originals."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spm.dataset.index import Entry, full_rectangle, load_cropped_masks, load_masks, read_index
from spm.errors import InputError, raise_problems
from spm.geometry import polygons
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import polygon_area
from spm.io.images import read_image
from spm.run.manifest import digest
from spm.structures.annotated_folder import read_folder
from spm.structures.annotation import Annotation
from spm.structures.classes import ClassChoice, Classes
from spm.structures.instance_masks import instance_masks, shape_masks
from spm.structures.labelme_file import CORRECTED, UNCLEAR
from spm.structures.shape import region


@dataclass
class Source:
    """An annotated image.

    Attributes:
        name: of the image.
        group: images of one group are copies of one L1 image; they go to training or to
            validation together.
        origin: stem of the user's own image.
        path: image or annotation file, for messages.
        labels: N labels, in the order of masks and outlines.
        valid: (4, 2) x, y: the user's image within this one.
        partial: not every molecule is outlined.
        simulated: the simulator made the image.
        unclear: polygons (n, 2) of what teaches nothing (the JSON file's key `unclear`).
        class_ids: (N,) int32 place of each molecule's class among the known ones, from 0; None
            before `classify`.
        class_names: the classes that the annotation states, as a prediction does.
    """

    name: str
    group: str
    origin: str
    path: Path
    labels: list[str]
    valid: np.ndarray
    partial: bool
    simulated: bool = False
    unclear: Sequence[np.ndarray] = ()
    class_ids: np.ndarray | None = None
    class_names: Sequence[str] = ()

    # Whether reading masks is cheaper than reading outlines.
    masks_are_stored = False

    @property
    def mirrored(self) -> bool:
        """Whether the image is a mirror image of the user's own."""
        (x0, y0), (x1, y1), _, (x3, y3) = self.valid
        return bool((x1 - x0) * (y3 - y0) - (y1 - y0) * (x3 - x0) < 0)

    def read_image(self) -> np.ndarray:
        """The image, (H, W, 3) uint8 RGB."""
        raise NotImplementedError

    def read_masks(self) -> np.ndarray:
        """Masks (H, W, N) bool or uint8 of 0 and 1."""
        raise NotImplementedError

    def read_cropped_masks(self) -> list[CroppedMask]:
        """N stored masks."""
        raise NotImplementedError

    def read_outlines(self) -> list[np.ndarray]:
        """N polygons (n, 2) x, y, each of all that a molecule covers (`shape.region`)."""
        raise NotImplementedError

    def digest(self) -> str:
        """Hash of what the image teaches: pixels, masks or outlines, labels and the rest."""
        rest = [self.name, self.group, self.origin, self.labels, self.partial, self.simulated]
        polygons = [np.asarray(points, float).tolist() for points in (self.valid, *self.unclear)]
        return digest(rest, polygons, *self._content())

    def _content(self) -> Sequence[bytes]:
        """Pixels, and masks or outlines, as bytes or hashes of them."""
        raise NotImplementedError


class FolderSource(Source):
    """An image of train_dataset/, read anew each time: there may be thousands."""

    masks_are_stored = True

    def __init__(self, entry: Entry):
        super().__init__(
            entry.name, entry.source, entry.origin, entry.image, entry.labels, entry.valid,
            entry.partial, class_names=entry.class_names,
        )  # fmt: skip
        self._masks = entry.masks

    def read_image(self) -> np.ndarray:
        return read_image(self.path)

    def read_masks(self) -> np.ndarray:
        return load_masks(self._masks)

    def read_cropped_masks(self) -> list[CroppedMask]:
        return load_cropped_masks(self._masks)

    def read_outlines(self) -> list[np.ndarray]:
        # A molecule that distortion or a seam left without a pixel keeps its place in the order.
        return [
            mask.region() if mask.pixels.size else np.zeros((3, 2))
            for mask in self.read_cropped_masks()
        ]

    def _content(self) -> list[bytes]:
        return [_file_hash(self.path), _file_hash(self._masks)]


class OutlinedSource(Source):
    """An image that the user annotated, kept in memory."""

    def __init__(self, annotation: Annotation):
        stem = annotation.path.stem
        super().__init__(
            stem, stem, stem, annotation.path, [shape.label for shape in annotation.shapes],
            full_rectangle(annotation.height, annotation.width), annotation.partial,
            "simulation" in annotation.extra,
            _unclear(annotation),
            class_names=annotation.class_names,
        )  # fmt: skip
        self._annotation = annotation

    @functools.cached_property
    def _image(self) -> np.ndarray:
        return self._annotation.read_image()

    @functools.cached_property
    def _outlines(self) -> list[np.ndarray]:
        return [region(shape) for shape in self._annotation.shapes]

    def read_image(self) -> np.ndarray:
        return self._image

    def read_masks(self) -> np.ndarray:
        return instance_masks(self._annotation).astype(bool)

    def read_outlines(self) -> list[np.ndarray]:
        return self._outlines

    def _content(self) -> list[bytes]:
        image = np.ascontiguousarray(self._image)
        masks = shape_masks(self._annotation)
        boxes = np.array([mask.box for mask in masks], np.int64)
        pixels = [np.packbits(mask.pixels).tobytes() for mask in masks]
        outlines = [np.ascontiguousarray(points).tobytes() for points in self._outlines]
        return [image.tobytes(), boxes.tobytes(), *pixels, *outlines]


class TurnedSource(Source):
    """An annotated image turned by quarters, and mirrored from view 4 on.

    Args:
        source: the image.
        view: 0 to 7; the quarters that it is turned by anticlockwise, and 4 more for its mirror
            image.
    """

    def __init__(self, source: Source, view: int):
        super().__init__(
            source.name, f"{source.group} {view}", source.origin, source.path, source.labels,
            source.valid, source.partial, source.simulated, source.unclear, source.class_ids,
            source.class_names,
        )  # fmt: skip
        self._source, self._view = source, view
        self._shape = source.read_image().shape[:2]
        self.valid = self._turned(source.valid)
        self.unclear = [self._turned(points) for points in source.unclear]

    def read_image(self) -> np.ndarray:
        turned = np.rot90(self._source.read_image(), self._view % 4)
        return np.ascontiguousarray(turned[:, ::-1] if self._view >= 4 else turned)

    def read_masks(self) -> np.ndarray:
        turned = np.rot90(self._source.read_masks(), self._view % 4)
        return np.ascontiguousarray(turned[:, ::-1] if self._view >= 4 else turned)

    def read_outlines(self) -> list[np.ndarray]:
        return [self._turned(points) for points in self._source.read_outlines()]

    def _turned(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) x, y of the image in the turned one."""
        height, width = self._shape
        x, y = np.asarray(points, float).reshape(-1, 2).T
        for _ in range(self._view % 4):
            x, y = y, width - x
            height, width = width, height
        return np.stack([width - x if self._view >= 4 else x, y], axis=1)


def digest_of(sources: Sequence[Source]) -> str:
    """Return a hash of all that a training learns from: images, outlines and labels.

    Files of a dataset are read once more for it (500 MB took 0.5 s from the memory of the system).
    """
    return digest([source.digest() for source in sources])


def _file_hash(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file.") from error


def _unclear(annotation: Annotation) -> list[np.ndarray]:
    polygons = annotation.extra.get(UNCLEAR, [])
    try:
        return [np.array(points, float).reshape(-1, 2) for points in polygons if len(points)]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{annotation.path}: 'unclear' is no list of polygons; take that key out of the file."
        ) from error


def folder_sources(folder: Path) -> list[Source]:
    """The images of a dataset folder.

    Raises:
        InputError: when there are none.
    """
    entries = read_index(folder)
    if not entries:
        raise InputError(f"{folder}: the dataset is empty; run fast_json_to_dataset.py first.")
    return [FolderSource(entry) for entry in entries]


def outlined_sources(folder: Path, partial: bool = False) -> list[Source]:
    """The user's own annotated images in a folder; copies that a step made are left out.

    Args:
        partial: whether they show molecules without an outline, as if each had the flag `partial`;
            but for corrected predictions and what a step wrote as teaching, which are complete.

    Raises:
        InputError: when there are none, or some cannot be read (all are reported together).
    """
    own, problems = read_folder(folder)
    found: list[Source] = []
    for annotation in () if problems else own:
        try:
            found.append(OutlinedSource(annotation))
            found[-1].partial |= partial and not {CORRECTED, UNCLEAR} & annotation.extra.keys()
        except InputError as error:
            problems.append(str(error))
    raise_problems(problems)
    if not found:
        raise InputError(
            f"{folder}: there is no annotated image; put NAME.png and labelme's NAME.json there."
        )
    return found


def classify(sources: Sequence[Source], classes: Sequence[str]) -> dict[str, int]:
    """Set the `class_ids` of each source; return how many molecules of each class they show.

    Raises:
        InputError: naming the labels that belong to no class, and their images.
    """
    classes = Classes.of(classes)
    problems: dict[str, None] = {}
    counts = np.zeros(len(classes), int)
    for source in sources:
        if unknown := classes.unknown(source.labels):
            problems |= dict.fromkeys(f"{source.origin}: {error}" for error in unknown)
            continue
        ids = [classes.index(classes.find(label)) for label in source.labels]
        source.class_ids = np.array(ids, np.int32)
        counts += np.bincount(source.class_ids, minlength=len(classes))
    raise_problems(problems)
    return dict(zip(classes, counts.tolist(), strict=True))


def own_labels(sources: Sequence[Source]) -> list[str]:
    """Return the labels of the user's own molecules, each once, however many copies show it."""
    return [label for source in _own(sources) for label in source.labels]


def classes_of(sources: Sequence[Source], choice: ClassChoice) -> Classes:
    """Return the classes of the user's own molecules, their labels seen together."""
    own = _own(sources)
    stated = [name for source in own for name in source.class_names]
    return choice.of_images([source.labels for source in own], stated)


def _own(sources: Sequence[Source]) -> list[Source]:
    """Return one source of each of the user's own images."""
    first = {source.origin: source for source in reversed(sources)}
    return list(reversed(first.values()))


def median_diameter(sources: Sequence[Source], limit: int = 40) -> float:
    """Median diameter sqrt(4 area / pi) of the outlined molecules, in image pixels.

    Args:
        limit: images looked at, evenly spread over the list.

    Raises:
        InputError: when none of them shows a molecule.
    """
    step = max(len(sources) // limit, 1)
    areas = [
        polygon_area(points) for source in sources[::step] for points in source.read_outlines()
    ]
    diameter = polygons.median_diameter(areas)
    if not diameter:
        raise InputError(
            f"{sources[0].path}: no molecule is outlined in the training images; "
            "outline some in labelme."
        )
    return diameter


def split(sources: Sequence[Source], share: float, seed: int) -> tuple[list[Source], list[Source]]:
    """Training and validation images; no L1 image has copies in both.

    With several images by the user whole images are set apart, else L1 copies.

    Args:
        share: of the groups that go to validation, 0..0.5. With a single group none does.
        seed: of the draw.
    """
    origins = sorted({source.origin for source in sources})
    whole = len(origins) >= 4
    keys = origins if whole else sorted({source.group for source in sources})
    if share <= 0 or len(keys) < 2:
        return list(sources), []
    count = min(max(round(share * len(keys)), 1), len(keys) - 1)
    chosen = set(np.random.default_rng([seed, 3]).permutation(keys)[:count].tolist())
    held = [s for s in sources if (s.origin if whole else s.group) in chosen]
    kept = [s for s in sources if (s.origin if whole else s.group) not in chosen]
    return kept, held
