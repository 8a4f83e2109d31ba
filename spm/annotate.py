"""Outline or correct molecules in labelme: python -m spm.annotate IMAGE.

Opens your correction where there is one, else the prediction, else the image, with the class names
as labels. What labelme cannot show (instrument files, 16-bit images) is opened as an 8-bit copy.
labelme saves after each change; nothing that you corrected is written over.

    python -m spm.annotate aug_test_in/NAME.png
    python -m spm.annotate img_cache/NAME_predicted.json
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.checks.corrections import latest
from spm.checks.predictions import (
    content_digest,
    image_digest,
    is_corrected,
    mark_of,
    result_name,
)
from spm.errors import InputError
from spm.instruments.inputs import image_path, open_image, settings_of
from spm.io.class_colours import class_colours
from spm.io.images import image_size, read_image
from spm.io.labelme_shows import shown_by_labelme
from spm.io.pixel_size import write_scaled_png
from spm.report.result_files import output_names
from spm.run import command_line
from spm.run.files import is_file, make_folder
from spm.run.labelme_program import run_labelme
from spm.run.setting_kinds import Positional
from spm.run.settings import Settings, takes
from spm.run.words import counted
from spm.structures.annotation import Annotation, classes_of, iter_annotations, read_annotation
from spm.structures.classes import LABELS_DECIDE

YOURS = "your outlines"


# --- settings: change the values, the text below each says what it is ---------------------------
class Annotating(Settings):
    """Which image is opened in labelme, and with which labels."""

    image: Positional[Path | None] = None
    """The image or instrument file, or a JSON of it; must be given."""
    class_names: list[str] = []
    """Labels to choose from. None named: those of the prediction, and of the outlines beside the
    image and in source_dir."""
    flags: list[str] = ["partial"]
    """Flags of the whole image to choose from; `partial`: not every molecule is outlined."""
    out_dir: Path = Path("img_cache")
    """Folder of the results, where predictions and corrections are looked for."""
    source_dir: Path = Path("aug_test_in")
    """Folder of the training images."""
    images_dir: Path = Path("images")
    """Folder of the predicted images, where earlier corrections may lie; for a JSON."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing."""
        if self.image is None:
            yield "which image? Name it: python -m spm.annotate images/NAME.png"


# ------------------------------------------------------------------------------------------------


@dataclass
class Opened:
    """What labelme is to open.

    Attributes:
        path: the file.
        annotation: what is outlined in it.
        what: the same in words.
    """

    path: Path
    annotation: Annotation | None
    what: str


@takes(Annotating)
def main(settings: Annotating) -> int:
    """Open an image in labelme and say what was saved.

    Raises:
        InputError: when the image cannot be read or labelme not be started.
    """
    if not is_file(settings.image):
        raise InputError(f"{settings.image}: there is no such file; check the name.")
    opened = to_open(settings)
    names = settings.class_names or offered(opened.annotation, settings)
    print(f"{opened.path}: {opened.what}; labels: {', '.join(names) or 'none yet'}", flush=True)
    run_labelme(opened.path, names, settings.flags, label_colours(names, opened.annotation))
    # Looked for again: labelme does not always save into the file that it opened.
    print(_saved(opened, to_open(settings), names))
    return 0


def to_open(
    settings: Annotating,
    copy: bool = True,
    digest_of: Callable[[Path], str] | None = None,
    read: Callable[[Path], Annotation] = read_annotation,
) -> Opened:
    """Return the file that has the user's last word on the image, or else the image itself.

    Args:
        settings: which image.
        copy: whether to write the 8-bit copy of an image that labelme does not show; else its path
            is returned all the same.
        digest_of: `digest_of_image`, or a faster way to the same.
        read: `read_annotation`, or a faster way to the same.
    """
    path, digest_of = settings.image, digest_of or digest_of_image
    if path.suffix.lower() == ".json":
        return _of_json(path, settings.images_dir, settings)
    made = image_path(path, path.parent)
    if made != path and settings_of(made).get("source") == path.name:
        path = made  # it was converted by spm.convert
    (name,) = output_names([path])
    own, result = path.with_suffix(".json"), settings.out_dir / f"{name}_predicted.json"
    if is_file(own) and not mark_of(annotation := read(own)):
        if annotation.derived is not None:
            raise InputError(f"{own}: is a copy that a step made; open the image it comes from.")
        return Opened(own, annotation, YOURS)
    if is_file(result):
        made_of = mark_of(read(result)).get("image")
        if made_of in (None, digest_of(path)):
            return _of_json(result, path.parent, settings)
        print(f"note: {result}: is of another image of this name; it is passed over.")
    if is_file(own):
        ours = own.stem != result_name(own)  # the image of a prediction was named
        return _of_json(own, settings.images_dir if ours else path.parent, settings)
    return _image(path, name, settings, copy)


def digest_of_image(path: Path) -> str:
    """Return by what the image of a file is known again."""
    return image_digest(open_image(path).image)


def _of_json(path: Path, images_dir: Path, settings: Annotating) -> Opened:
    """Return the latest correction of a JSON's image, or the JSON itself."""
    named = read_annotation(path)
    annotation = latest(named, settings.source_dir, images_dir)
    if not mark_of(annotation):
        return Opened(annotation.path, annotation, YOURS)
    what = "your correction" if is_corrected(annotation) else "the prediction"
    return Opened(annotation.path, annotation, what)


def _image(path: Path, name: str, settings: Annotating, write: bool) -> Opened:
    """Return the image, or its 8-bit copy where labelme does not show the image itself."""
    if shown_by_labelme(path):
        before = _before_conversion(path, name, settings)
        return before or Opened(path, None, "no outlines yet")
    training = path.resolve().parent == settings.source_dir.resolve()
    folder = path.parent if training else settings.out_dir
    copy = folder / f"{name}.png"
    if is_file(copy) and copy.samefile(path):
        copy = folder / f"{name}_8bit.png"
    if write:
        _write_copy(path, copy)
    own = copy.with_suffix(".json")
    if is_file(own):
        return Opened(own, read_annotation(own), YOURS)
    return Opened(copy, None, f"no outlines yet, an 8-bit copy of {path}")


def _before_conversion(path: Path, name: str, settings: Annotating) -> Opened | None:
    """Return what was outlined in the 8-bit copy of an instrument file before it was converted into
    this image; None where nothing was, or in an image of another size."""
    earlier = settings.out_dir / f"{name}.json"
    if not settings_of(path) or not is_file(earlier):
        return None
    annotation = read_annotation(earlier)
    same = (annotation.height, annotation.width) == image_size(path)
    return Opened(earlier, annotation, YOURS) if same and not mark_of(annotation) else None


def _write_copy(path: Path, copy: Path) -> None:
    """Write the 8-bit copy of an image, unless it is there."""
    opened = open_image(path)
    if not is_file(copy):
        make_folder(copy.parent)
        write_scaled_png(copy, opened.image, opened.nm_per_pixel)
    elif image_digest(read_image(copy)) != image_digest(opened.image):
        raise InputError(
            f"{copy}: is another image, and the 8-bit copy of {path} that labelme needs would be "
            "called so; move it away."
        )


def offered(
    annotation: Annotation | None,
    settings: Annotating,
    read: Callable[[Path], Annotation] = read_annotation,
) -> list[str]:
    """Return the class names to choose from: those of what is opened, and of the outlines in the
    image's folder and in `source_dir`; where there are none, those of the predictions.

    Args:
        annotation: what is opened.
        settings: the image and the folders.
        read: `read_annotation`, or a faster way to the same.
    """
    folders = {settings.image.parent.resolve(), settings.source_dir.resolve()}
    folders -= {settings.out_dir.resolve()}  # of any image, the shipped demo's among them
    found = [annotation] if annotation else []
    found += [other for folder in sorted(folders) for other in _annotations(folder, read)]
    return _names(found) or _names(_annotations(settings.out_dir, read))


def label_colours(
    names: list[str], annotation: Annotation | None
) -> dict[str, tuple[int, int, int]]:
    """Return the colour of each class, those of the reports, and of each label the one of its
    class; "" has the colour of a class that is not there yet."""
    colours = dict(zip([*names, ""], class_colours(len(names) + 1), strict=True))
    labels = annotation.labels if annotation else []
    classes = LABELS_DECIDE.of_images([labels], names)
    found = {label: name for label in labels if (name := classes.find(label)) in colours}
    return {label: colours[name] for label, name in found.items()} | colours


def _annotations(folder: Path, read: Callable[[Path], Annotation]) -> list[Annotation]:
    """Return what is annotated in a folder, our copies left out."""
    found = []
    for path in iter_annotations(folder) if folder.is_dir() else ():
        try:
            found.append(read(path))
        except InputError:
            continue  # another program's
    return [annotation for annotation in found if annotation.derived is None]


def _names(annotations: list[Annotation]) -> list[str]:
    stated = (name for annotation in annotations for name in annotation.class_names)
    return list(dict.fromkeys([*stated, *classes_of(annotations)]))


def _saved(before: Opened, after: Opened, names: list[str]) -> str:
    """Return what became of the outlines while labelme was open."""
    path, now = after.path, after.annotation
    if now is None:
        return f"{path}: nothing was outlined"
    if before.annotation and content_digest(now) == content_digest(before.annotation):
        return f"{path}: nothing was changed"
    said = LABELS_DECIDE.of_images([now.labels], names).counted(now.labels)
    partial = ", of a part of the image" if now.partial else ""
    text = f"{path}: saved, {counted(len(now.shapes), 'outline')}{partial}: {said}"
    return f"{text}\ntrain on with it: python workflow.py --add {path}" if mark_of(now) else text


if __name__ == "__main__":
    command_line.run(main)
