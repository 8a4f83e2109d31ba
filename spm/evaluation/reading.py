"""What an evaluation reads: a folder of labelled images and a folder of predictions.

A truth `NAME.json` belongs to the prediction `NAME_predicted.json`, or else `NAME.json` of the
other folder. Every truth needs a prediction file, if only an empty one: a missing file is a
image that nobody predicted, not one without molecules.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from spm.errors import InputError, raise_problems
from spm.evaluation.instances import Instance, from_annotation, from_prediction
from spm.run.words import counted
from spm.structures.annotation import (
    Annotation,
    classes_of,
    iter_annotations,
    read_annotations,
)
from spm.structures.classes import ClassChoice
from spm.structures.same_image import annotated_twice, tell_of_embedded

PREDICTED = "_predicted"


@dataclass
class Images:
    """Truths and predictions of some images, in one order.

    Attributes:
        annotations: the truths' Annotation, one per image.
        truths, predictions: one list of Instance per image.
        class_names: the classes evaluated.
        notices: sentences about what the user should know.
    """

    annotations: list[Annotation]
    truths: list[list[Instance]]
    predictions: list[list[Instance]]
    class_names: list[str]
    notices: list[str]


def find_truths(folder):
    """Returns the annotation files of labelled images in a folder, predictions left out.

    Raises:
        InputError: if there is no such folder or no annotation in it.
    """
    paths = [p for p in iter_annotations(folder) if not p.stem.endswith(PREDICTED)]
    if not paths:
        raise InputError(
            f"{folder}: no labelled image is in this folder; label some with labelme and put "
            "image and JSON file there."
        )
    return paths


def read_all(paths):
    """Returns the Annotation of each file.

    Raises:
        InputError: naming all files that cannot be read.
    """
    found, problems = read_annotations(paths)
    raise_problems(problems)
    return found


def read_truths(folder):
    """Returns the Annotation of each image that the user labelled in a folder.

    Copies that a step made of them are left out, with a line that says so.

    Raises:
        InputError: naming all files that cannot be read, and those that label one image twice.
    """
    found = read_all(find_truths(folder))
    own = [annotation for annotation in found if annotation.derived is None]
    if not own:
        raise InputError(
            f"{folder}: there are only copies that a step made ({len(found)}); give the folder of "
            "your own images."
        )
    if len(own) < len(found):
        copies = counted(len(found) - len(own), "copy of a step is", "copies of a step are")
        print(f"note: {folder}: {copies} left out.", file=sys.stderr)
    raise_problems([sentence for _, sentence in annotated_twice(own)])
    tell_of_embedded(own)
    return own


def find_predictions(truths, folder):
    """Finds the prediction file of each truth.

    Args:
        truths: list of Annotation.
        folder: where the predictions lie.

    Returns:
        A list of paths in the order of the truths.

    Raises:
        InputError: naming the images without a prediction.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder of predictions; check the name.")
    found = [_prediction_of(truth, folder) for truth in truths]
    missing = [t.path.stem for t, path in zip(truths, found, strict=True) if path is None]
    if missing:
        shown = ", ".join(missing[:5]) + (" and more" if len(missing) > 5 else "")
        raise InputError(
            f"{folder}: {len(missing)} of {len(truths)} labelled images have no prediction "
            f"there ({shown}); predict them too, or give their weights with --weights."
        )
    return found


def _prediction_of(truth, folder):
    stems = dict.fromkeys([truth.path.stem, Path(truth.image_name.replace("\\", "/")).stem])
    names = [f"{stem}{PREDICTED}.json" for stem in stems] + [f"{stem}.json" for stem in stems]
    paths = (folder / name for name in names)
    # In one folder with the truths, a truth is not its own prediction.
    return next((p for p in paths if p.is_file() and not p.samefile(truth.path)), None)


def check_labels(annotations):
    """Makes sure that every label belongs to a class.

    Args:
        annotations: list of Annotation, with the classes that are evaluated.

    Raises:
        InputError: with one line for each image that has others.
    """
    problems = []
    for annotation in annotations:
        others = [s.label for s in annotation.shapes if s.class_name is None]
        if others:
            more = f" and {len(others) - 1} more belong" if len(others) > 1 else " belongs"
            problems.append(
                f"{annotation.path}: label {others[0]!r}{more} to no known class "
                f"({annotation.classes}); correct the labels, name all classes (--classes), or "
                "leave other molecules out (--ignore-unlisted)."
            )
    raise_problems(problems)


def read_images(truths, predicted_paths, given=None, ignore_flags=(), ignore_unlisted=False):
    """Reads all molecules and checks that truths and predictions fit each other.

    Args:
        truths: list of Annotation.
        predicted_paths: their predictions' files, in the same order.
        given: names of the classes; guessed from all labels by default.
        ignore_flags, ignore_unlisted: see `spm.evaluation.instances.from_annotation`. Predictions
            of unlisted classes are left out.

    Returns:
        Images.

    Raises:
        InputError: with one line per defect.
    """
    predicted = read_all(predicted_paths)
    notices = []
    classes = classes_of([*truths, *predicted], ClassChoice(given or None))
    if not given:
        notices.append(
            f"classes guessed from the labels: {classes or 'none'}; "
            "name them with --classes if this is wrong."
        )
    else:
        raise_problems(classes.problems())
    truths, predicted = ([one.classified(classes) for one in some] for some in (truths, predicted))
    if not ignore_unlisted:
        check_labels([*truths, *predicted])
    result = Images(truths, [], [], list(classes), notices)
    problems = []
    for truth, prediction in zip(truths, predicted, strict=True):
        try:
            _check_sizes(truth, prediction)
            found = _read_prediction(prediction, ignore_unlisted)
            wanted = from_annotation(truth, ignore_flags, ignore_unlisted)
        except InputError as error:
            problems.append(error)
            continue
        result.truths.append(wanted)
        result.predictions.append(found)
    if problems:
        raise InputError.joined(line for e in problems for line in str(e).splitlines())
    notices += _notices(truths, predicted, result)
    return result


def _check_sizes(truth, prediction):
    sizes = [(a.width, a.height) for a in (truth, prediction)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{prediction.path}: is for an image of {sizes[1][0]} x {sizes[1][1]} pixels, but "
            f"{truth.path.name} is for {sizes[0][0]} x {sizes[0][1]}; predict the same image."
        )


def _read_prediction(annotation, ignore_unlisted):
    if ignore_unlisted:
        listed = [s for s in annotation.shapes if s.class_name is not None]
        annotation = replace(annotation, shapes=listed)
    # Self-crossing and tiny outlines are the network's affair: they overlap as they overlap.
    flat = [s.label for s in annotation.shapes if not all(map(_encloses, s.all_parts))]
    if flat:
        raise InputError(
            f"{annotation.path}: {flat[0]!r} is not the outline of an area; "
            "draw it as a polygon or delete it."
        )
    return from_prediction(annotation)


def _encloses(shape):
    if shape.shape_type == "polygon":
        return len(shape.points) > 2
    return shape.shape_type in ("rectangle", "circle", "mask") and len(shape.points) > 1


def _notices(truths, predicted, images):
    """Sentences about inputs that are well-defined but may not be what the user means."""
    notices = [
        f"{truth.path.name} is marked as partly labelled: predictions of its unlabelled "
        "molecules count as false."
        for truth in truths
        if truth.partial
    ]
    if not any(not t.ignore for ts in images.truths for t in ts):
        notices.append("no molecule is labelled: recall and average precision do not exist.")
    if not any(images.predictions):
        notices.append("nothing is predicted in any image.")
    labelled = {t.class_name for ts in images.truths for t in ts}
    found = {p.class_name for ps in images.predictions for p in ps}
    if labelled and (unknown := sorted(found - labelled)):
        notices.append(
            f"predicted but labelled nowhere: {', '.join(unknown)}; these predictions count as "
            "false, and the class has no average precision. Are the names spelled alike?"
        )
    unscored = sum("score" not in s.extra for a in predicted for s in a.shapes)
    if unscored:
        notices.append(
            f"{counted(unscored, 'predicted molecule')} without a score: taken as certain."
        )
    return notices
