"""Likeness to the outlined molecules."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from spm.geometry.polygons import diameter, polygon_area, polygon_centroid
from spm.similarity.label_spreading import Examples
from spm.similarity.likeness import LOOKS_ALIKE, MISNAMED, MOST, References
from spm.simulate import simulate
from spm.simulate.near_identical import near_identical_drawings, near_identical_system
from spm.structures.classes import Classes

NAMES = ["003a", "020a"]
SIDE = 400


def scene(seed: int, **settings):
    """A simulated image, its whole outlines and their classes."""
    image, truth = simulate("network", SIDE, seed, pixels_per_molecule=46, **settings)
    shapes = [s for s in truth.shapes if not s.flags["edge"]]
    outlines = [np.asarray(s.points, float) for s in shapes]
    return image, outlines, [NAMES.index(Classes(NAMES).class_of(s.label)) for s in shapes]


def examples(seed: int = 0, count: int = 22) -> Examples:
    image, outlines, classes = scene(seed)
    kept = np.random.default_rng(seed).choice(len(outlines), count, replace=False)
    outlines, classes = [outlines[k] for k in kept], [classes[k] for k in kept]
    median = diameter(float(np.median([abs(polygon_area(o)) for o in outlines])))
    return Examples([image], [outlines], [classes], len(NAMES), median)


@pytest.fixture(scope="module")
def references() -> References:
    return References.of(examples(), mirror=True)


def test_molecules_of_another_image_are_familiar_and_adsorbates_are_not(references):
    image, outlines, classes = scene(101)
    centroids = [polygon_centroid(o) for o in outlines]
    own, best, alike = references.likeness(image, centroids, classes)
    assert len(own) > 40 and (own >= references.lowest).all() and (best >= own).all()
    areas = [polygon_area(o) for o in outlines]
    assert not references.unfamiliar(best, classes, areas).any()
    assert alike.tolist() == classes and not references.misnamed(own, best).any()
    wrong = [1 - name for name in classes]
    own, best, alike = references.likeness(image, centroids, wrong)
    assert alike.tolist() == classes and references.misnamed(own, best).mean() > 0.9
    image, _ = simulate("network", SIDE, 200, pixels_per_molecule=46, adsorbates=12)
    # The places that the simulator draws, see spm.simulate.image.
    places = np.random.default_rng([200, 3]).uniform(0.03, 0.97, (12, 2)) * SIDE
    places = places[((places > 30) & (places < SIDE - 30)).all(axis=1)]
    _, best, _ = references.likeness(image, places, [0] * len(places))
    assert len(best) >= 6 and (best < references.lowest).all()


def test_a_foreign_molecule_is_unfamiliar(references):
    image, truth = simulate("biphenyl", SIDE, 3, pixels_per_molecule=46)
    centroids = [polygon_centroid(s.points) for s in truth.shapes if not s.flags["edge"]]
    _, best, _ = references.likeness(image, centroids, [0] * len(centroids))
    assert len(best) > 20 and (best < references.lowest).mean() > 0.9


def test_what_is_of_another_size_is_unfamiliar(references):
    """The half-alike blob of a real image has the area 1.43 times the usual one."""
    median = np.median(references.areas[references.classes == 1]) * references.diameter**2
    z = np.arctanh([references.usual, references.lowest])
    half = float(np.tanh(z.mean()))
    for likeness, factor, flagged in (
        (references.usual, 1.0, False), (half, 1.05, False), (references.usual, 1.3, False),
        (half, 1.43, True), (half, 1 / 1.43, True), (0.999, 1.6, True),
        (references.lowest - 0.01, 1.0, True),
    ):  # fmt: skip
        assert references.unfamiliar(np.array([likeness]), [1], [median * factor]) == flagged
    # Many in an image say as well what is usual: it may be of another scale.
    best, classes = np.full(12, references.usual), [1] * 12
    areas = median * np.array([1.6] * 10 + [1.0, 2.5])
    assert references.unfamiliar(best, classes, areas).tolist() == [False] * 11 + [True]
    assert references.unfamiliar(best[:9], classes[:9], areas[:9]).all()
    # Outlined ones of different sizes allow more.
    odd = replace(references, areas=references.areas * np.linspace(1, 2, len(references.areas)))
    assert not odd.unfamiliar(np.array([0.999]), [1], [median * 1.5 * 1.6]).any()


def test_references_of_an_older_weights_file(references):
    new = ("areas", "usual", "apart")
    record = {k: v for k, v in references.to_json().items() if k not in new}
    older = References.from_json(record)
    best = np.array([older.lowest - 0.01, older.lowest + 0.01])
    assert older.unfamiliar(best, [0, 0], [1.0, 1e6]).tolist() == [True, False]
    assert not older.misnamed(np.array([0.1]), np.array([0.9])).any()


def test_which_classes_the_look_tells_apart():
    """Of the near-identical molecules a lobe 15 % higher is not seen, one 30 % lower is."""
    drawings, names = near_identical_drawings(), ["bright", "dim", "even", "long"]
    image, truth = simulate(near_identical_system(), 640, 0, drawings=drawings)
    shapes = [s for s in truth.shapes if not s.flags["edge"]]
    labels = [s.label.rstrip("0123456789") for s in shapes]
    chosen = [k for name in names for k in [k for k, x in enumerate(labels) if x == name][:8]]
    outlines = [shapes[k].points for k in chosen]
    classes = [names.index(labels[k]) for k in chosen]
    median = diameter(float(np.median([polygon_area(o) for o in outlines])))
    found = References.of(Examples([image], [outlines], [classes], len(names), median), True)
    assert found.told_apart == {(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)}  # not bright and even
    again = References.from_json(json.loads(json.dumps(found.to_json())))
    assert again.told_apart == found.told_apart
    telling = found.telling([0, 1, 0, 1], np.array([1, 0, 2, 1]))
    assert telling.tolist() == [True, True, False, False]
    few = Examples([image], [outlines[:12]], [classes[:12]], len(names), median)
    assert References.of(few, True).told_apart == frozenset()  # 8 and 4


def test_brightness_contrast_and_scale_do_not_matter(references):
    import cv2

    image, outlines, classes = scene(102)
    centroids = np.array([polygon_centroid(o) for o in outlines])
    own, _, _ = references.likeness(image, centroids, classes)
    paler = (image * 0.6 + 40).astype(np.uint8)
    assert np.abs(references.likeness(paler, centroids, classes)[0] - own).max() < 0.02
    larger = cv2.resize(image, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    found, _, _ = references.likeness(larger, centroids * 1.5, classes, references.diameter * 1.5)
    assert np.abs(found - own).max() < 0.02


@pytest.mark.parametrize("mirror", [True, False])
def test_mirror_images(mirror):
    image, outlines, classes = scene(0)
    median = diameter(float(np.median([abs(polygon_area(o)) for o in outlines])))
    one = References.of(
        Examples([image], [outlines[:1]], [classes[:1]], len(NAMES), median), mirror
    )
    x, y = polygon_centroid(outlines[0])
    turned = np.ascontiguousarray(np.rot90(image))
    assert one.likeness(turned, [(y, SIDE - x)], classes[:1])[0][0] > 0.99
    mirrored = one.likeness(np.ascontiguousarray(image[:, ::-1]), [(SIDE - x, y)], classes[:1])[0]
    assert (mirrored[0] > 0.99) or not mirror


def test_what_the_weights_keep(references):
    text = json.dumps(references.to_json())
    assert len(text) < 30_000
    again = References.from_json(json.loads(text))
    assert again.lowest == pytest.approx(references.lowest, abs=1e-4)
    assert again.usual == pytest.approx(references.usual, abs=1e-4)
    np.testing.assert_allclose(again.areas, references.areas, atol=1e-4)
    image, outlines, classes = scene(103)
    centroids = [polygon_centroid(o) for o in outlines]
    for one, other in zip(
        references.likeness(image, centroids, classes),
        again.likeness(image, centroids, classes),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"values": "AAAA"}, {"masks": None}, {"classes": []}, {"diameter": 0}, {"lowest": "high"},
        {"diameter": float("nan")}, {"areas": [1.0]}, {"areas": "none"}, {"usual": None},
        {"apart": "far"}, {"told_apart": [[0]]}, {"told_apart": 3}, {"told_apart": ["ab"]},
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(references, change):
    with pytest.raises(ValueError):
        References.from_json(references.to_json() | change)
    with pytest.raises(ValueError):
        References.from_json({})


def test_few_outlines_and_none_that_is_whole():
    one = examples(count=22)
    few = Examples(
        one.images, [one.outlines[0][:2]], [one.classes[0][:2]], len(NAMES), one.diameter
    )
    assert 0.5 < References.of(few, True).lowest < LOOKS_ALIKE
    assert References.of(few, True).apart == 2 * MISNAMED
    cut = [o - o.min(axis=0) for o in one.outlines[0][:2]]  # moved to the image's corner
    few = Examples(one.images, [cut], [one.classes[0][:2]], len(NAMES), one.diameter)
    assert References.of(few, True) is None


def test_no_molecule_and_a_class_without_example(references):
    image, outlines, _ = scene(0)
    own, best, alike = references.likeness(image, [], [])
    assert own.shape == best.shape == alike.shape == (0,)
    own, best, alike = references.likeness(image, [polygon_centroid(outlines[0])], [7])
    assert np.isnan(own[0]) and best[0] > 0.9 and not references.misnamed(own, best)[0]


def test_of_many_outlines_some_are_kept():
    one = examples(count=22)
    many = Examples(one.images * 15, one.outlines * 15, one.classes * 15, len(NAMES), one.diameter)
    assert len(References.of(many, True).classes) == MOST
