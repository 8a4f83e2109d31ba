"""The annotated images of a folder that work can begin with."""

from __future__ import annotations

from pathlib import Path

from spm.errors import InputError
from spm.structures.annotation import (
    Annotation,
    check_copy,
    check_with_image,
    iter_annotations,
    read_annotations,
)
from spm.structures.same_image import annotated_twice, tell_of_embedded


def read_folder(folder: Path, copies_of: str | None = None) -> tuple[list[Annotation], list[str]]:
    """Return the annotations whose image is there and fits, and what is wrong with the others.

    Of two annotations of one image the first one is taken.

    Args:
        folder: with NAME.json and images.
        copies_of: name of the step whose copies are taken too. Defaults to none: only the user's
            own images.

    Raises:
        InputError: when there is no annotation in the folder at all.
    """
    paths = iter_annotations(folder)
    if not paths:
        raise InputError(
            f"{folder}: there is no annotated image; put NAME.png and labelme's NAME.json there."
        )
    read, problems = read_annotations(paths)
    usable = []
    for annotation in read:
        made = annotation.derived
        if made is not None and (copies_of is None or made.get("step") != copies_of):
            continue
        wrong = check_with_image(annotation) if made is None else check_copy(annotation)
        problems += wrong
        if not wrong:
            usable.append(annotation)
    twice = annotated_twice(usable)
    problems += [sentence for _, sentence in twice]
    usable = [one for one in usable if not any(one is other for other, _ in twice)]
    if copies_of is None:
        tell_of_embedded(usable)
    return usable, problems
