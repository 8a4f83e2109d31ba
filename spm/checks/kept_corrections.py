"""Corrections that must not be lost: kept when an image is predicted again, and found again.

NAME_predicted.json     the prediction, until the user changes it; then the correction
NAME_corrected.json     a correction of an earlier prediction, kept when NAME was predicted again
NAME_corrected_2.json   the next one
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from spm.checks.predictions import KEPT, SUFFIX, content_digest, is_corrected, mark_of, result_name
from spm.errors import InputError
from spm.run.files import is_file, link_or_copy, natural_sorted, write_bytes, write_json
from spm.structures.annotation import Annotation, read_annotation


def keep_correction(result: Path) -> Path | None:
    """Keep what a user made of a prediction that is about to be replaced.

    The image beside it is kept too, under the same name, so that labelme saves changes of the kept
    file into that file.

    Args:
        result: NAME_predicted.json; need not exist.

    Returns:
        The kept file, NAME_corrected.json or the next free number; None when there is nothing to
        keep.
    """
    if not is_file(result):
        return None
    annotation = _read(result)
    if annotation is not None and not is_corrected(annotation):
        return None
    data = result.read_bytes()
    for path in (earlier := kept_files(result)):
        if path.read_bytes() == data or _same(_read(path), annotation):
            return path
    kept = _free(result, earlier)
    image = result.parent / Path(annotation.image_name).name if annotation else result
    if annotation is None or image.stem != result.stem or not is_file(image):
        write_bytes(kept, data)
        _keep_time(result, kept)
        return kept
    beside = kept.with_suffix(image.suffix)
    link_or_copy(image, beside)
    content: dict[str, Any] = json.loads(data.decode("utf-8-sig"))
    write_json(kept, content | {"imagePath": beside.name})
    _keep_time(result, kept)
    return kept


def kept_files(result: Path) -> list[Path]:
    """Return the kept corrections of NAME, naturally sorted.

    Args:
        result: a JSON of NAME, see `result_name`.
    """
    name = re.escape(f"{result_name(result)}{KEPT}") + r"(_[0-9]+)?\.json"
    folder = result.parent
    found = folder.iterdir() if folder.is_dir() else ()
    return natural_sorted(path for path in found if re.fullmatch(name, path.name))


def kept_names(folder: Path) -> set[str]:
    """Return each NAME of which a correction is kept in a folder, which is read once for all."""
    ending = re.compile(rf"(.+){KEPT}(_[0-9]+)?\.json")
    found = (ending.fullmatch(path.name) for path in (folder.iterdir() if folder.is_dir() else ()))
    return {match[1] for match in found if match}


def corrections_of(prediction: Annotation, images_dir: Path) -> list[Annotation]:
    """Return the corrections of a prediction's image in other files, the latest first.

    They were kept when it was predicted again, or labelme saved them beside the image: in
    `images_dir`, or beside the copy NAME.png that earlier versions of this program wrote.

    Args:
        prediction: read from a JSON of ours.
        images_dir: folder of the predicted images.
    """
    path, made = prediction.path, mark_of(prediction)
    if path is None or not made.get("image"):
        return []
    image, name = made["image"], result_name(path)
    said = (str(made.get("file") or ""), prediction.image_name, name)
    stems = [PurePosixPath(text.replace("\\", "/")).stem for text in said]
    paths = [path.with_name(f"{name}{ending}.json") for ending in ("", "_8bit", SUFFIX)]
    paths += kept_files(path) + [images_dir / f"{stem}.json" for stem in stems if stem]
    others = [other for other in _distinct(paths) if not other.samefile(path)]
    found = [annotation for annotation in map(_read, others) if annotation is not None]
    found = [o for o in found if mark_of(o).get("image") == image and is_corrected(o)]
    return sorted(found, key=_age)


def _age(annotation: Annotation) -> float:
    return -annotation.path.stat().st_mtime if annotation.path else 0.0


def _distinct(paths: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if is_file(path) and path.resolve() not in seen:
            seen.add(path.resolve())
            yield path


def _keep_time(result: Path, kept: Path) -> None:
    """Let a kept file say when the user changed it last, by which the latest is known."""
    seen = result.stat()
    os.utime(kept, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _read(path: Path) -> Annotation | None:
    """Return an annotation, None for a file that is none."""
    try:
        return read_annotation(path)
    except InputError:
        return None


def _same(one: Annotation | None, other: Annotation | None) -> bool:
    if one is None or other is None:
        return False
    return mark_of(one) == mark_of(other) and content_digest(one) == content_digest(other)


def _free(result: Path, earlier: Sequence[Path]) -> Path:
    """Return the first free name for a kept correction and its image."""
    stem, number = f"{result_name(result)}{KEPT}", 1
    while True:
        path = result.with_name(f"{stem}.json" if number == 1 else f"{stem}_{number}.json")
        beside = list(path.parent.glob(f"{glob.escape(path.stem)}.*"))
        if path not in earlier and not beside:
            return path
        number += 1
