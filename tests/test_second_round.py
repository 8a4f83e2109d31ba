"""Names by likeness, and the pictures of a second training."""

from __future__ import annotations

import numpy as np
import pytest

from spm.annotation import Annotation, Shape, read_annotation, write_annotation
from spm.labels import class_of
from spm.molecules import annotation_to_molecules, polygon_centroid
from spm.naming import Examples, look_distances, name_by_examples, polar_looks
from spm.picture import write_picture
from spm.simulate import simulate
from spm.training_data import outlined_sources
from training.second_round import Found, write_lessons

NAMES = ["003a", "020a"]


@pytest.fixture(scope="module")
def scene():
    """A picture, its molecules that the border does not cut, and their classes."""
    picture, truth = simulate("network", size=600, seed=3)
    shapes = [shape for shape in truth.shapes if not shape.flags.get("edge")]
    classes = np.array([NAMES.index(class_of(shape.label, NAMES)) for shape in shapes])
    return picture, shapes, classes


def first_of_each(classes, count=2):
    return np.concatenate([np.flatnonzero(classes == k)[:count] for k in range(len(NAMES))])


def test_two_examples_of_each_class_name_a_whole_picture(scene):
    picture, shapes, classes = scene
    centroids = [polygon_centroid(shape.points) for shape in shapes]
    known = first_of_each(classes)
    places = [centroids[k] for k in known]
    examples = Examples([picture], [places], [classes[known]], 2, 46.0)
    shares = name_by_examples(picture, centroids, examples)
    assert shares.shape == (len(shapes), 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == classes).mean() > 0.95
    swapped = Examples([picture], [places], [1 - classes[known]], 2, 46.0)
    shares = name_by_examples(picture, centroids, swapped)
    assert (shares.argmax(axis=1) == classes).mean() < 0.05


def test_turned_and_mirrored_looks_are_near(scene):
    picture, shapes, _ = scene
    x, y = polygon_centroid(shapes[0].points)
    side = picture.shape[0]
    looks = [
        polar_looks(picture, [(x, y)], 46.0),
        polar_looks(np.rot90(picture), [(y, side - x)], 46.0),
        polar_looks(picture[:, ::-1], [(side - x, y)], 46.0),
    ]
    distances = look_distances(np.concatenate(looks))
    assert distances.max() < 0.05
    assert look_distances(np.concatenate(looks), mirror=False)[0, 1] < 0.05


def test_lessons_hold_the_users_outlines_and_the_surest_molecules(scene, tmp_path):
    picture, shapes, classes = scene
    own = tmp_path / "own"
    own.mkdir()
    write_picture(own / "a.png", picture)
    kept = [Shape(shapes[k].label, shapes[k].points) for k in first_of_each(classes)]
    write_annotation(
        own / "a.json", Annotation(kept, *picture.shape[:2], "a.png", flags={"partial": True})
    )
    # As a bad network answers: every molecule found, all of one name.
    answers = Annotation(
        [Shape(f"003a{k}", shape.points) for k, shape in enumerate(shapes)],
        *picture.shape[:2],
        "b.png",
    )
    found = Found(picture, annotation_to_molecules(answers, NAMES))
    lessons = tmp_path / "lessons"
    for _ in range(2):  # a second time over the first
        count = write_lessons(lessons, [found], outlined_sources(own), NAMES, True, 0)
    assert 0.8 * len(shapes) < count < 0.9 * len(shapes)
    taught = read_annotation(lessons / "found0.json")
    assert taught.partial and len(taught.shapes) == count
    places = np.array([polygon_centroid(shape.points) for shape in shapes])
    right = 0
    for shape in taught.shapes:
        nearest = np.hypot(*(places - polygon_centroid(shape.points)).T).argmin()
        right += class_of(shape.label, NAMES) == NAMES[classes[nearest]]
    assert right > 0.97 * count
    mine = read_annotation(lessons / "own0.json")
    assert mine.partial and [s.label for s in mine.shapes] == [s.label for s in kept]
    assert write_lessons(lessons, [], outlined_sources(own), NAMES, True, 0) == 0
