"""Turn COCO annotations into labelme's files.

    python -m spm.import_coco FILE.json

For each image of the COCO file it writes NAME.json with numbered labels (`003a1`, `003a2`, ...).
The images have to lie in the same folder then. COCO is what CVAT, Roboflow, Label Studio, VIA and
others export; https://cocodataset.org/#format-data describes it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.io.images import check_pixels
from spm.run import command_line
from spm.run.files import folder_lock, is_file, make_folder
from spm.run.setting_kinds import Positional
from spm.run.settings import Settings, takes
from spm.run.words import counted
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.classes import numbered
from spm.structures.label_text import clean_label
from spm.structures.shape import Shape


# --- settings: change the values, the text below each says what it is ---------------------------
class CocoImport(Settings):
    """Turn COCO annotations into labelme's files."""

    files: Positional[list[Path]] = []
    """The COCO files; must be given."""
    out: Path = Path("aug_test_in")
    """Folder of the images, where the labelme files go."""
    force: bool = False
    """Replace annotations that are there."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing."""
        if not self.files:
            yield "no file: name the COCO files to import, such as instances.json."


# ------------------------------------------------------------------------------------------------


@takes(CocoImport)
def main(settings: CocoImport) -> int:
    """Write a labelme file for each image of COCO files.

    Raises:
        InputError: when a file is no COCO file, or an annotation of that name is there.
    """
    files, out, force = settings.files, settings.out, settings.force
    found = [annotation for path in files for annotation in read_coco(Path(path))]
    names = [PurePosixPath(annotation.image_name).stem for annotation in found]
    twice = [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]
    if twice:
        raise InputError(
            f"two images are called {twice[0]}: import them into folders of their own."
        )
    with folder_lock(make_folder(out)) as folder:
        targets = [folder / f"{name}.json" for name in names]
        taken = [path for path in targets if is_file(path)]
        if taken and not force:
            raise InputError(
                f"{taken[0]}: is there already; move it away, or replace it with --force."
            )
        for target, annotation in zip(targets, found, strict=True):
            write_annotation(target, annotation)
            print(f"{target}: {counted(len(annotation.shapes), 'molecule')}")
        missing = [a.image_name for a in found if not is_file(folder / a.image_name)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        print(f"note: copy the images into {out}: {missing[0]}{more} not there.", file=sys.stderr)
    return 0


def read_coco(path: Path) -> list[Annotation]:
    """Return the annotated images of a COCO instances file, those without a molecule left out.

    A polygon becomes a polygon, several polygons of one instance its parts, a run-length encoded
    mask a mask; an instance that has a box only becomes a rectangle. Labels are the category and a
    number. `iscrowd` is not looked at but told: CVAT writes it for whatever was painted.

    Raises:
        InputError: when the file is no COCO file or does not fit together.
    """
    data = _load(path)
    try:
        categories = {c["id"]: clean_label(str(c["name"])) for c in data.get("categories", [])}
        images = {image["id"]: image for image in data["images"]}
        by_image: dict[Any, list[dict]] = {key: [] for key in images}
        for entry in data["annotations"]:
            by_image[entry["image_id"]].append(entry)
        found = [
            _annotation(path, images[key], entries, categories)
            for key, entries in by_image.items()
            if entries
        ]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path}: is not a whole COCO file ({type(error).__name__}: {error}); export it again."
        ) from error
    if not found:
        raise InputError(f"{path}: no image in it has an annotation; there is nothing to import.")
    crowds = sum(bool(entry.get("iscrowd")) for entry in data["annotations"])
    if crowds:
        print(
            f"note: {path}: {crowds} annotations are marked iscrowd; each is taken as one "
            "molecule, as CVAT means it. Delete those that are crowds.",
            file=sys.stderr,
        )
    return found


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the name.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error}); export it again.") from error
    if not isinstance(data, dict) or not {"images", "annotations"} <= set(data):
        raise InputError(
            f"{path}: is not a COCO file of instances (images, annotations, categories); export "
            "the annotations as COCO."
        )
    return data


def _annotation(
    path: Path, image: dict[str, Any], entries: Sequence[dict], categories: dict[Any, str]
) -> Annotation:
    name = PurePosixPath(str(image["file_name"]).replace("\\", "/")).name
    height, width = int(image["height"]), int(image["width"])
    where = f"{path}: image {name!r}"
    if not name or height < 1 or width < 1:
        raise InputError(f"{where} has no name or size; export it again.")
    check_pixels(width, height, where)
    counts: Counter[str] = Counter()
    shapes = []
    for entry in entries:
        category = categories[entry["category_id"]]
        counts[category] += 1
        label = numbered(category, counts[category])
        shapes.append(_shape(entry, label, len(shapes) + 1, (height, width), where))
    return Annotation(shapes, height, width, name, path=path)


def _shape(
    entry: dict[str, Any], label: str, number: int, size: tuple[int, int], where: str
) -> Shape:
    """Return the molecule of one COCO annotation."""
    extra = {"score": float(entry["score"])} if "score" in entry else {}
    outlined = entry.get("segmentation")
    if isinstance(outlined, dict):
        mask = CroppedMask.of_mask(decode_runs(outlined, size, where))
        if not mask.area:
            raise InputError(
                f"{where}: the mask of annotation {entry.get('id')} is empty; delete it."
            )
        corners = np.array([(mask.left, mask.top), (mask.right - 1, mask.bottom - 1)], float)
        return Shape(label, corners, "mask", mask=mask.pixels, extra=extra)
    if outlined:
        polygons = [np.array(points, np.float64).reshape(-1, 2) for points in outlined]
        group = number if len(polygons) > 1 else None
        first, *others = (Shape(label, points, group_id=group) for points in polygons)
        first.parts, first.extra = tuple(others), extra
        return first
    left, top, width, height = (float(value) for value in entry["bbox"])
    corners = np.array([(left, top), (left + width, top + height)])
    return Shape(label, corners, "rectangle", extra=extra)


def decode_runs(runs: dict[str, Any], size: tuple[int, int], where: str) -> np.ndarray:
    """Return the (H, W) bool mask of COCO's run-length encoding.

    Runs of zeros and ones in turn, column by column, zeros first; either a list of their lengths,
    or a text that packs the lengths in groups of five bits (pycocotools' maskApi).

    Args:
        runs: with "size" (H, W) and "counts".
        size: (H, W) of the image.
        where: for messages.

    Raises:
        InputError: when size or lengths do not fit the image.
    """
    counts = runs["counts"]
    lengths = _unpacked(counts) if isinstance(counts, str | bytes) else [int(n) for n in counts]
    fits = tuple(runs.get("size", size)) == tuple(size)
    if not fits or min(lengths, default=0) < 0 or sum(lengths) != size[0] * size[1]:
        raise InputError(f"{where}: a mask does not fit the image's size; export it again.")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(size, order="F")


def _unpacked(text: str | bytes) -> list[int]:
    """Return the run lengths in a packed text.

    Each character holds five bits and whether another follows; the last one's highest bit is the
    sign. From the third length on it is the difference to the last but one that is stored.
    """
    data = text.encode("ascii") if isinstance(text, str) else text
    lengths: list[int] = []
    value = shift = 0
    for byte in data:
        bits = byte - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        if len(lengths) > 2:
            value += lengths[-2]
        lengths.append(value)
        value = shift = 0
    return lengths


if __name__ == "__main__":
    command_line.run(main)
