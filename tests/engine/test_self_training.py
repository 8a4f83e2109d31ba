"""Names by likeness, outlines laid by likeness, and the images of a second training."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.self_training import Found, write_pseudo_labels
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_centroid
from spm.io.images import write_image
from spm.similarity.label_spreading import (
    Examples,
    descriptor_distances,
    name_by_examples,
    name_by_neighbours,
    polar_descriptors,
)
from spm.similarity.outline_fit import lay_outlines
from spm.simulate import simulate
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.molecule import annotation_to_molecules
from spm.structures.shape import Shape

NAMES = ["003a", "020a"]


@pytest.fixture(scope="module")
def scene():
    """An image, its molecules that the border does not cut, and their classes."""
    image, truth = simulate("network", size=600, seed=3)
    shapes = [shape for shape in truth.shapes if not shape.flags.get("edge")]
    classes = np.array([NAMES.index(Classes.of(NAMES).class_of(shape.label)) for shape in shapes])
    return image, shapes, classes


def polygon_iou(first, second):
    """IoU of two outlines, drawn eight times enlarged."""
    corner = np.minimum(first.min(axis=0), second.min(axis=0)) - 1
    size = np.ceil(8 * (np.maximum(first.max(axis=0), second.max(axis=0)) - corner)).astype(int) + 8
    a, b = (polygon_mask(8 * (points - corner), size[1], size[0]) for points in (first, second))
    return (a & b).sum() / (a | b).sum()


def darkest(image, count):
    """Outlines around the darkest places, 46 pixels wide, clear of the border."""
    dark = cv2.blur(image.sum(axis=2, dtype=np.float32), (25, 25))[60:-60, 60:-60]
    circle = 23 * np.stack([np.cos(np.arange(0, 6.28, 0.4)), np.sin(np.arange(0, 6.28, 0.4))], 1)
    found = []
    for _ in range(count):
        y, x = np.unravel_index(dark.argmin(), dark.shape)
        dark[max(y - 50, 0) : y + 50, max(x - 50, 0) : x + 50] = np.inf
        found.append(circle + (x + 60, y + 60))
    return found


def first_of_each(classes, count=2):
    return np.concatenate([np.flatnonzero(classes == k)[:count] for k in range(len(NAMES))])


def test_two_examples_of_each_class_name_a_whole_image(scene):
    image, shapes, classes = scene
    centroids = [polygon_centroid(shape.points) for shape in shapes]
    known = first_of_each(classes)
    outlines = [shapes[k].points for k in known]
    examples = Examples([image], [outlines], [classes[known]], 2, 46.0)
    shares = name_by_examples(image, centroids, examples)
    assert shares.shape == (len(shapes), 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == classes).mean() > 0.95
    swapped = Examples([image], [outlines], [1 - classes[known]], 2, 46.0)
    shares = name_by_examples(image, centroids, swapped)
    assert (shares.argmax(axis=1) == classes).mean() < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_lopsided_opinions_name_a_whole_image(scene, seed):
    """As a network that learned from simulated images: nearly all are taken for one class."""
    image, shapes, classes = scene
    centroids = [polygon_centroid(shape.points) for shape in shapes]
    noise = np.random.default_rng(seed).normal(scale=0.05, size=len(shapes))
    other = np.where(classes == 0, 0.45, 0.2) + noise
    class_scores = np.clip(np.stack([other, 1 - other], axis=1), 0, 1)
    assert (class_scores.argmax(axis=1) == classes).mean() < 0.8
    shares = name_by_neighbours(image, centroids, class_scores, 46.0)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == classes).mean() > 0.95


@pytest.mark.parametrize("shown", [0, 1])
def test_a_class_that_the_network_never_names_gets_no_molecule(scene, shown):
    image, shapes, classes = scene
    centroids = [
        polygon_centroid(s.points) for s, k in zip(shapes, classes, strict=True) if k == shown
    ]
    other = np.random.default_rng(0).uniform(0, 0.4, len(centroids))
    class_scores = np.stack([1 - other, other] if shown == 0 else [other, 1 - other], axis=1)
    shares = name_by_neighbours(image, centroids, class_scores, 46.0)
    assert (shares.argmax(axis=1) == shown).all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shown", [0, 1])
def test_a_class_that_the_image_does_not_show_lends_its_name_to_none(scene, shown, seed):
    image, shapes, classes = scene
    known = first_of_each(classes)
    outlines = [shapes[k].points for k in known]
    examples = Examples([image], [outlines], [classes[known]], 2, 46.0)
    other, truth = simulate("network", size=600, seed=seed)
    centroids = [
        polygon_centroid(shape.points)
        for shape in truth.shapes
        if Classes.of(NAMES).class_of(shape.label) == NAMES[shown] and not shape.flags.get("edge")
    ]
    shares = name_by_examples(other, centroids, examples)
    assert len(centroids) > 10 and (shares.argmax(axis=1) == shown).all()


@pytest.mark.parametrize("way", ["as it is", "turned", "mirrored"])
def test_an_outline_is_laid_onto_molecules_turned_and_mirrored(scene, way):
    """Centroids a network is off by, and the two examples of each class in another image."""
    image, shapes, classes = scene
    height, width = image.shape[:2]
    known = first_of_each(classes)
    examples = Examples([image], [[shapes[k].points for k in known]], [classes[known]], 2, 46.0)
    move = {
        "as it is": lambda points: points,
        "turned": lambda points: np.stack([points[:, 1], width - points[:, 0]], axis=1),
        "mirrored": lambda points: points * (-1, 1) + (width, 0),
    }[way]
    seen = {"as it is": image, "turned": np.rot90(image), "mirrored": image[:, ::-1]}[way]
    truth = [move(np.asarray(shape.points, float)) for shape in shapes]
    off = np.random.default_rng(0).normal(scale=1.5, size=(len(truth), 2))
    centroids = [polygon_centroid(points) for points in truth] + off
    laid = lay_outlines(np.ascontiguousarray(seen), centroids, classes, examples)
    overlaps = [polygon_iou(a, b) for a, b in zip(laid, truth, strict=True)]
    assert np.mean(overlaps) > 0.9 and np.quantile(overlaps, 0.05) > 0.8


def test_without_mirroring_an_outline_is_only_turned():
    """A right-angled triangle of unequal legs is no mirror image of itself."""
    side = 120
    points = np.array([[-20, -12], [24, -12], [-20, 14]], float)
    points -= polygon_centroid(points)
    images = []
    for factor in ((1, 1), (-1, 1)):
        image = np.zeros((side, side, 3), np.uint8)
        cv2.fillPoly(image, [np.rint(points * factor + side / 2).astype(np.int32)], (200,) * 3)
        images.append(image)
    examples = Examples([images[0]], [[points + side / 2]], [[0]], 1, 36.0)
    truth = points * (-1, 1) + side / 2
    centre = [(side / 2, side / 2)]
    mirrored = lay_outlines(images[1], centre, [0], examples)[0]
    turned = lay_outlines(images[1], centre, [0], examples, mirror=False)[0]
    assert polygon_iou(mirrored, truth) > 0.9
    assert polygon_iou(turned, truth) < 0.8


def test_turned_and_mirrored_looks_are_near(scene):
    image, shapes, _ = scene
    x, y = polygon_centroid(shapes[0].points)
    side = image.shape[0]
    descriptors = [
        polar_descriptors(image, [(x, y)], 46.0),
        polar_descriptors(np.rot90(image), [(y, side - x)], 46.0),
        polar_descriptors(image[:, ::-1], [(side - x, y)], 46.0),
    ]
    distances = descriptor_distances(np.concatenate(descriptors))
    assert distances.max() < 0.05
    assert descriptor_distances(np.concatenate(descriptors), mirror=False)[0, 1] < 0.05


def test_lessons_hold_the_users_outlines_and_the_surest_molecules(scene, tmp_path):
    image, shapes, classes = scene
    own = tmp_path / "own"
    own.mkdir()
    write_image(own / "a.png", image)
    kept = [Shape(shapes[k].label, shapes[k].points) for k in first_of_each(classes)]
    pores = darkest(image, 3)
    write_annotation(
        own / "a.json", Annotation(kept, *image.shape[:2], "a.png", flags={"partial": True})
    )
    # As a bad network answers: every molecule found, all of one name, and pores besides.
    answers = Annotation(
        [Shape(f"003a{k}", points) for k, points in enumerate([s.points for s in shapes] + pores)],
        *image.shape[:2],
        "b.png",
    )
    found = Found(image, annotation_to_molecules(answers.classified(NAMES)))
    pseudo_labels = tmp_path / "pseudo_labels"
    for _ in range(2):  # a second time over the first
        count = write_pseudo_labels(pseudo_labels, [found], outlined_sources(own), NAMES, True, 0)
    assert 0.8 * len(shapes) < count < 0.9 * len(shapes)
    taught = read_annotation(pseudo_labels / "found0.json")
    assert not taught.partial and len(taught.shapes) == count
    assert len(taught.extra["unclear"]) == len(shapes) - count
    places = np.array([polygon_centroid(shape.points) for shape in shapes])
    right = 0
    for shape in taught.shapes:
        nearest = np.hypot(*(places - polygon_centroid(shape.points)).T).argmin()
        right += Classes.of(NAMES).class_of(shape.label) == NAMES[classes[nearest]]
    assert right > 0.97 * count
    mine = read_annotation(pseudo_labels / "own0.json")
    assert mine.partial and [s.label for s in mine.shapes] == [s.label for s in kept]
    assert write_pseudo_labels(pseudo_labels, [], outlined_sources(own), NAMES, True, 0) == 0


def test_simulated_images_are_left_out_and_the_found_ones_keep_their_outlines(scene, tmp_path):
    image, shapes, classes = scene
    own = tmp_path / "own"
    own.mkdir()
    first, truth = simulate("network", size=256, seed=1, image_name="a.png")
    write_image(own / "a.png", first)
    write_annotation(own / "a.json", truth)
    sources = outlined_sources(own)
    assert [source.simulated for source in sources] == [True]
    # As a network answers that knows simulated images: many of one class have the other's name.
    answers = Annotation(
        [
            Shape(f"{NAMES[k]}{n}", s.points)
            for n, (s, k) in enumerate(zip(shapes, classes, strict=True))
        ],
        *image.shape[:2],
        "b.png",
    )
    molecules = annotation_to_molecules(answers.classified(NAMES))
    rng = np.random.default_rng(0)
    molecules = [
        replace(m, class_name=NAMES[1], score=0.6, second_class=NAMES[0], second_score=0.4)
        if m.class_name == NAMES[0] and rng.random() < 0.7
        else replace(m, score=0.95)
        for m in molecules
    ]
    pseudo_labels = tmp_path / "pseudo_labels"
    count = write_pseudo_labels(pseudo_labels, [Found(image, molecules)], sources, NAMES, True, 0)
    assert 0.8 * len(shapes) < count < 0.9 * len(shapes)
    assert [path.name for path in sorted(pseudo_labels.glob("*.json"))] == ["found0.json"]
    places = np.array([polygon_centroid(shape.points) for shape in shapes])
    for shape in read_annotation(pseudo_labels / "found0.json").shapes:
        nearest = np.hypot(*(places - polygon_centroid(shape.points)).T).argmin()
        assert Classes.of(NAMES).class_of(shape.label) == NAMES[classes[nearest]]
        np.testing.assert_allclose(shape.points, shapes[nearest].points, atol=0.01)


def test_a_broken_list_of_unclear_places_is_one_sentence(tmp_path):
    image, truth = simulate("network", size=128, seed=1, image_name="a.png")
    write_image(tmp_path / "a.png", image)
    truth.extra["unclear"] = [["x"]]
    write_annotation(tmp_path / "a.json", truth)
    with pytest.raises(InputError, match="a.json: 'unclear' is no list of polygons"):
        outlined_sources(tmp_path)
