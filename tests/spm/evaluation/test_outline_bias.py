"""The mean error of a network's outlines is measured, stored, and taken off again."""

import json

import numpy as np
import pytest

from spm.dataset.annotated_images import OutlinedSource, TurnedSource, classify
from spm.evaluation import outline_bias as measuring
from spm.evaluation.threshold import LOWEST
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import polygon_area
from spm.inference.detector import Detections, Detector
from spm.inference.outline_bias import DIRECTIONS, OutlineBias, star_shape
from spm.inference.predict import Settings, find_molecules
from spm.structures.annotation import Annotation
from spm.structures.shape import Shape

SIDE = 320
RADIUS = 24


def triangle(degrees, centre, radius=RADIUS):
    """A triangle with cut corners, as large from its centre in the corners as `radius`."""
    angles = np.radians(degrees + np.array([-13, 13, 107, 133, 227, 253]))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + centre


def rounded(points):
    """What a network makes of an outline: the corners are cut, the sides bulge."""
    centre = points.mean(axis=0)
    offset = points - centre
    steps = np.linspace(0, 1, 24, endpoint=False)[:, None]
    ends = np.roll(offset, -1, axis=0)
    fine = np.concatenate([a + (b - a) * steps for a, b in zip(offset, ends, strict=True)])
    radius = np.hypot(*fine.T)
    return centre + fine * (1 + 0.25 * (radius.mean() / radius - 1))[:, None]


def scene(seed):
    """Centres and angles of nine molecules."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid([60, 160, 260], [60, 160, 260]), axis=-1).reshape(-1, 2)
    return [(rng.uniform(0, 360), place + rng.uniform(-5, 5, 2)) for place in places.astype(float)]


def image_of(molecules):
    """An image that carries its molecules' places in its pixels: bright centres."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for number, (_, (x, y)) in enumerate(molecules):
        image[int(y), int(x)] = number + 1
    return image


class Rounding:
    """A detector that knows where the molecules of each image are and rounds their outlines."""

    def __init__(self, outlines):
        self.outlines = outlines  # of the image as it comes

    def __call__(self, images):
        masks = [CroppedMask.of_polygon(rounded(p), SIDE, SIDE) for p in self.outlines]
        boxes = np.array([m.box for m in masks], float)
        return [Detections(boxes, np.full((len(masks), 1), 0.9, np.float32), masks)] * len(images)


def detector(outlines, **changes):
    return Detector(["T"], 1.0, SIDE, 0.5, Rounding(outlines), molecule_size=40.0, **changes)


def source_of(tmp_path, molecules):
    shapes = [Shape(f"T{k}", triangle(*m)) for k, m in enumerate(molecules)]
    annotation = Annotation(shapes, SIDE, SIDE, "a.png", path=tmp_path / "a.json")
    image = image_of(molecules)

    class Given(OutlinedSource):
        def read_image(self):
            return image

    given = Given(annotation)
    classify([given], ["T"])
    return given


def extents_and_area(outlines, wanted):
    pairs = list(zip(outlines, wanted, strict=True))
    sides = np.mean([np.ptp(a, axis=0) / np.ptp(b, axis=0) for a, b in pairs], axis=0)
    return sides - 1, np.mean([polygon_area(a) / polygon_area(b) for a, b in pairs]) - 1


def biases_of(tmp_path, molecules=None):
    molecules = molecules or scene(1)
    seen = []
    for view in range(8):
        turned = TurnedSource(source_of(tmp_path, molecules), view)
        seen += measuring.look(detector(turned.read_outlines()), [turned])
    return measuring.outline_biases(seen, ["T"], 1.0, LOWEST)


def test_outlines_lose_their_mean_error(tmp_path):
    """Measured on nine molecules, the error is taken off nine others, turned otherwise."""
    biases = biases_of(tmp_path)
    wanted = [triangle(*m) for m in scene(2)]
    for bias in ({}, biases):
        found = find_molecules(
            detector(wanted, outline_bias=bias), np.zeros((SIDE, SIDE, 3), np.uint8), Settings()
        )
        found.sort(key=lambda m: np.argmin([np.hypot(*(p.mean(0) - m.centroid)) for p in wanted]))
        sides, area = extents_and_area([m.outline for m in found], wanted)
        if bias:
            assert (np.abs(sides) < 0.006).all() and abs(area) < 0.01
            for molecule in found:
                assert molecule.area == pytest.approx(polygon_area(molecule.outline), rel=0.02)
        else:
            assert (sides < -0.02).all()


def test_the_stored_form_is_json_and_comes_back(tmp_path):
    bias = biases_of(tmp_path)["T"]
    again = OutlineBias.read(json.loads(json.dumps(bias.stored())))
    np.testing.assert_allclose(again.profile, bias.profile, atol=1e-4)
    np.testing.assert_allclose(again.error, bias.error, atol=1e-4)
    assert again.reach == pytest.approx(bias.reach, abs=1e-4)


@pytest.mark.parametrize(
    "change", [{"error": [0.5] * 180}, {"profile": [1.0] * 7}, {"profile": "x"}, {"reach": None}]
)
def test_damaged_ones_are_refused(tmp_path, change):
    stored = biases_of(tmp_path)["T"].stored() | change
    with pytest.raises(ValueError, match="outline bias"):
        OutlineBias.read(stored)
    with pytest.raises(ValueError, match="outline bias"):
        OutlineBias.read([])


def test_other_shapes_stay_as_they_are(tmp_path):
    """A disc, half a molecule, a ring, two parts, a speck."""
    bias = biases_of(tmp_path)["T"]
    whole = CroppedMask.of_polygon(rounded(triangle(20, np.array([60, 60]))), SIDE, SIDE)
    assert bias.corrected(whole) is not None
    y, x = np.mgrid[:60, :60] + 0.5
    distance = np.hypot(y - 30, x - 30)
    half = whole.pixels.copy()
    half[: half.shape[0] // 2] = False
    parts = np.zeros((60, 60), bool)
    parts[5:20, 5:20] = parts[40:55, 40:55] = True
    for pixels in (distance < 20, half, (distance < 25) & (distance > 18), parts, parts[4:7, 4:7]):
        assert bias.corrected(CroppedMask.of_mask(pixels)) is None


def test_too_few_molecules_tell_nothing(tmp_path):
    assert biases_of(tmp_path, scene(1)[:3]) == {}
    assert len(biases_of(tmp_path, scene(1)[:4])) == 1


def test_molecules_at_the_border_stay_as_they_are(tmp_path):
    """What the image's border cuts is reported as the network saw it."""
    wanted = [triangle(10, np.array([18.0, 160.0]))]
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    plain, corrected = (
        find_molecules(detector(wanted, outline_bias=bias), image, Settings())
        for bias in ({}, biases_of(tmp_path))
    )
    np.testing.assert_array_equal(plain[0].outline, corrected[0].outline)


@pytest.mark.parametrize("view", range(8))
def test_turned_sources(tmp_path, view):
    """Pixels and outlines turn together: each bright pixel lies in the outline of its number."""
    molecules = scene(3)
    source = TurnedSource(source_of(tmp_path, molecules), view)
    image = source.read_image()
    for number, points in enumerate(source.read_outlines(), 1):
        ((y, x),) = np.argwhere(image[..., 0] == number)
        assert np.hypot(*(points.mean(axis=0) - (x + 0.5, y + 0.5))) < 1.5
    assert source.mirrored == (view >= 4)


def test_views_only_where_outlines_are_few(tmp_path):
    source = source_of(tmp_path, scene(1))
    few = detector([triangle(*m) for m in scene(1)])
    assert len(measuring.look_at_outlines(few, [source])) == 8
    assert len(measuring.look_at_outlines(few, [source], mirror=False)) == 4
    assert len(measuring.look_at_outlines(few, [source] * 30)) == 18  # 162 outlines


def on_fine_pixels(points):
    """The pixels of an outline at ten times the resolution."""
    return CroppedMask.of_polygon(points * 10, SIDE * 10, SIDE * 10)


@pytest.mark.parametrize("radius", [8, RADIUS])
def test_the_staircase_of_a_masks_pixels_is_no_part_of_its_outline(radius):
    nothing_to_mend = np.zeros(DIRECTIONS)
    overlaps = []
    for degrees in range(0, 120, 7):
        truth = triangle(degrees, np.array([60.3, 61.8]), radius)
        mask = CroppedMask.of_polygon(truth, SIDE, SIDE)
        border, (outline, _, profile) = mask.outline(0.1), star_shape(mask)
        bias = OutlineBias(profile / profile.mean(), nothing_to_mend, 1.0)
        simple = bias.corrected(mask)
        assert len(simple) < len(border) / 3
        assert polygon_area(outline) == pytest.approx(polygon_area(border))
        assert polygon_area(simple) == pytest.approx(polygon_area(border))
        exact = on_fine_pixels(truth)
        overlaps.append([exact.iou(on_fine_pixels(points)) for points in (border, simple)])
    raw, found = np.mean(overlaps, axis=0)
    assert found > raw + 0.005
