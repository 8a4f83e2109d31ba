"""The dataset folder `train_dataset/`: what lies where, and reading it back.

One entry is a five-digit name with `imgs/NAME.png` (the image), `mask/NAME.png` (label image),
`yaml/NAME.yaml` (label names), `label_viz/NAME.png` (to look at) and `rw_mask/NAME.npz` (instance
masks). `index.csv` says which file each entry came from; it is written last, so that a dataset with
an index is whole.
"""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spm.dataset.sparse_npz import write_sparse
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask

FOLDERS = ("imgs", "mask", "yaml", "label_viz", "rw_mask")
INDEX = "index.csv"
COLUMNS = (
    "name",
    "source",
    "origin",
    "image",
    "masks",
    "labels",
    "height",
    "width",
    "valid",
    "partial",
    "file",
    "class_names",
)
LATER = {"file", "class_names"}  # what an older index does not have  # fmt: skip
MASKS, LABELS, FILE = map(COLUMNS.index, ("masks", "labels", "file"))  # places in a row

# What zipfile and numpy raise for a changed byte, depending on the byte: a version or a password
# that no file of ours has among them.
_DAMAGE = (
    OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass
class Entry:
    """One image of the dataset.

    Attributes:
        name: five digits, `00012`.
        source: stem of the image in aug_test_in/ (or before/) that it is a copy of.
        origin: stem of the user's own annotated image.
        image: PNG file, (H, W, 3).
        masks: npz file, (H, W, N) uint8 under key `arr_0`.
        labels: N labels in the masks' order.
        height, width: size in pixels.
        valid: (4, 2) x, y, the user's original image's rectangle in this image; outside of it
            a copy is black canvas.
        partial: not every molecule of the image is outlined.
        file: name of the image in before/.
        class_names: the classes that its annotation states (`Annotation.class_names`).
    """

    name: str
    source: str
    origin: str
    image: Path
    masks: Path
    labels: list[str]
    height: int
    width: int
    valid: np.ndarray
    partial: bool = False
    file: str = ""
    class_names: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        """Return the entry as a row of index.csv; paths relative to the dataset's folder."""
        return [
            self.name,
            self.source,
            self.origin,
            f"{self.image.parent.name}/{self.image.name}",
            f"{self.masks.parent.name}/{self.masks.name}",
            json.dumps(self.labels, ensure_ascii=False),
            str(self.height),
            str(self.width),
            json.dumps(np.asarray(self.valid).tolist()),
            str(int(self.partial)),
            self.file,
            json.dumps(self.class_names, ensure_ascii=False),
        ]


def entry_name(number: int) -> str:
    """Return the name of the entry with this number, counted from 0."""
    return f"{number:05d}"


def full_rectangle(height: int, width: int) -> np.ndarray:
    """Return the (4, 2) float64 x, y rectangle of a whole image."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def read_index(folder: str | os.PathLike) -> list[Entry]:
    """Return the entries of a dataset in the order of their names.

    Raises:
        InputError: when there is no index, it is damaged, or a file that it names is missing.
    """
    folder = Path(folder)
    index = folder / INDEX
    try:
        text = index.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{index}: there is no dataset yet; run fast_json_to_dataset.py first."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{index}: cannot be read ({error}); make the dataset again.") from error
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if rows:
        rows[0] = ["image" if column == "picture" else column for column in rows[0]]  # until 2026
    if not rows or not set(COLUMNS) - LATER <= set(rows[0]):
        raise InputError(f"{index}: is not an index of a dataset; make the dataset again.")
    entries = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            entries.append(_entry(dict(zip(rows[0], row, strict=True)), folder))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{index}: line {number} is damaged ({error}); make the dataset again."
            ) from error
    _check_files(entries, index)
    return entries


def _entry(row: dict[str, str], folder: Path) -> Entry:
    valid = np.array(json.loads(row["valid"]), np.float64)
    if valid.shape != (4, 2):
        raise ValueError(f"valid has shape {valid.shape}")
    return Entry(
        name=row["name"],
        source=row["source"],
        origin=row["origin"],
        image=_inside(folder, row["image"]),
        masks=_inside(folder, row["masks"]),
        labels=[str(label) for label in json.loads(row["labels"])],
        height=int(row["height"]),
        width=int(row["width"]),
        valid=valid,
        partial=row["partial"] == "1",
        file=row.get("file", ""),
        class_names=[str(name) for name in json.loads(row.get("class_names", "[]"))],
    )


def _inside(folder: Path, text: str) -> Path:
    """Return folder / text; an index from elsewhere may not point out of the folder."""
    parts = text.replace("\\", "/").split("/")
    if len(parts) != 2 or parts[0] not in FOLDERS or parts[1] in ("", ".", ".."):
        raise ValueError(f"{text!r} is not a file of this dataset")
    return folder / parts[0] / parts[1]


def _check_files(entries: list[Entry], index: Path) -> None:
    present = {
        name: {item.name for item in os.scandir(index.parent / name)}
        for name in ("imgs", "rw_mask")
        if (index.parent / name).is_dir()
    }
    missing = [
        path
        for entry in entries
        for path in (entry.image, entry.masks)
        if path.name not in present.get(path.parent.name, ())
    ]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}{more}: missing; make the dataset again.")


@contextmanager
def _damage_named(path: str | os.PathLike) -> Iterator[None]:
    """Turn what goes wrong while an npz file is read into an InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there are no such masks; make the dataset again.") from None
    except _DAMAGE as error:
        raise InputError(f"{path}: is damaged ({error}); delete it and run again.") from error


def load_masks(path: str | os.PathLike) -> np.ndarray:
    """Return the (H, W, N) uint8 instance masks of an npz file (key `arr_0`).

    Raises:
        InputError: when the file is missing, damaged or holds something else.
    """
    with _damage_named(path), np.load(Path(path), allow_pickle=False) as archive:
        masks = archive["arr_0"]
    if masks.ndim != 3 or masks.dtype != np.uint8:
        raise InputError(
            f"{path}: holds {masks.dtype} of shape {masks.shape}, not (H, W, N) uint8; "
            "delete it and run again."
        )
    return masks


def load_cropped_masks(path: str | os.PathLike) -> list[CroppedMask]:
    """Return each instance's mask of an npz file; an instance without a pixel has an empty one.

    Of our own files only the small arrays are read in which these stand (see$
    `save_masks`), of others the masks.

    Raises:
        InputError: as `load_masks`.
    """
    with _damage_named(path), np.load(Path(path), allow_pickle=False) as archive:
        if {"boxes", "bits"} <= set(archive.files):
            return _unpacked(archive["boxes"], archive["bits"])
    masks = load_masks(path)
    return [CroppedMask.of_mask(masks[:, :, k]) for k in range(masks.shape[2])]


def _unpacked(boxes: np.ndarray, bits: np.ndarray) -> list[CroppedMask]:
    """Undo `_packed`; ValueError when the two do not fit."""
    sizes = boxes[:, 2] * boxes[:, 3]
    ends = np.cumsum(sizes)
    if 8 * len(bits) < sizes.sum():  # unpackbits would fill up with zeros
        raise ValueError("too few bits for the boxes")
    flat = np.unpackbits(bits).astype(bool)
    return [
        CroppedMask(flat[end - h * w : end].reshape(h, w), top, left)
        for end, (top, left, h, w) in zip(ends.tolist(), boxes.tolist(), strict=True)
    ]


def _packed(masks: Sequence[CroppedMask]) -> dict[str, np.ndarray]:
    """Return `boxes` (N, 4) int32 (top, left, height, width), and `bits`, the pixels of all masks
    one after the other, row by row, eight in a byte."""
    boxes = [(mask.top, mask.left, *mask.pixels.shape) for mask in masks]
    flat = [np.ravel(mask.pixels) for mask in masks]
    bits = np.packbits(np.concatenate(flat) if flat else np.zeros(0, bool))
    return {"boxes": np.array(boxes, np.int32).reshape(-1, 4), "bits": bits}


def save_masks(
    path: str | os.PathLike, masks: Sequence[CroppedMask], height: int, width: int
) -> None:
    """Write masks so that `load_masks` and `numpy.load` read them, atomically.

    `arr_0` (H, W, N) is stored in Fortran order, one instance after the other: long runs of zeros,
    which pack to a quarter of the bytes of the other order. Beside it stand the cropped masks
    (`boxes`, `bits`): of an image of thousands of molecules it has gigabytes, nearly all zeros.

    Args:
        masks: one an instance.
        height, width: of the image.
    """
    shape = height, width, len(masks)
    write_sparse(path, shape, _pieces(masks, height, width), _packed(masks))


def _pieces(masks: Sequence[CroppedMask], height: int, width: int) -> Iterator[tuple[int, bytes]]:
    """Yield the columns that each instance touches: offset in the flat array, and bytes."""
    for k, mask in enumerate(masks):
        strip = np.zeros((mask.pixels.shape[1], height), np.uint8)
        strip[:, mask.top : mask.bottom] = mask.pixels.T
        yield (k * width + mask.left) * height, strip.tobytes()
