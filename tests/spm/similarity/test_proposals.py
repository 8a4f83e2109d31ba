"""Proposed outlines: one click in a molecule, and all that are alike."""

from __future__ import annotations

import numpy as np
import pytest

from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import diameter, polygon_area, polygon_centroid
from spm.similarity.find_alike import Proposal, find_alike, likeness_threshold
from spm.similarity.outline_proposal import OutlineProposer, propose_outline
from spm.simulate import SYSTEMS, simulate
from spm.structures.classes import Classes

SIDE, MOLECULE = 320, 46


class Scene:
    """A simulated image, the outlines of its whole molecules and their classes."""

    def __init__(self, system: str, seed: int = 0, **settings):
        self.image, truth = simulate(system, SIDE, seed, pixels_per_molecule=MOLECULE, **settings)
        whole = [shape for shape in truth.shapes if not shape.flags["edge"]]
        self.outlines = [np.asarray(shape.points, float) for shape in whole]
        self.names = list(map(Classes(SYSTEMS[system].class_names).class_of,
                              (shape.label for shape in whole)))  # fmt: skip
        everything = [np.asarray(shape.points, float) for shape in truth.shapes]
        self.edge = self.masks([p for p, s in zip(everything, truth.shapes, strict=True)
                                if s.flags["edge"]])  # fmt: skip

    def masks(self, outlines) -> list[CroppedMask]:
        return CroppedMask.of_polygons(outlines, *self.image.shape[:2])

    def iou(self, points: np.ndarray, k: int) -> float:
        one, other = self.masks([points, self.outlines[k]])
        return one.iou(other)

    def examples(self) -> list[tuple[str, np.ndarray]]:
        """One of each class, from the image's middle."""
        middle = np.array([SIDE, SIDE]) / 2
        order = np.argsort([np.hypot(*(polygon_centroid(p) - middle)) for p in self.outlines])
        first = {self.names[k]: self.outlines[k] for k in order[::-1]}
        return list(first.items())

    def clicked(self, proposer: OutlineProposer) -> list[float]:
        """IoU of what a click near each molecule's centre proposes."""
        rng = np.random.default_rng(0)
        found = []
        for k, points in enumerate(self.outlines):
            away = rng.uniform(-0.15, 0.15, 2) * diameter(polygon_area(points))
            found.append(self.iou(proposer.propose(*(polygon_centroid(points) + away)), k))
        return found

    def matched(self, proposals: list[Proposal]) -> list[int]:
        """Of each proposal the molecule of its class that it is, else -1."""
        matches = []
        for proposal in proposals:
            ious = [self.iou(proposal.points, k) for k in range(len(self.outlines))]
            k = int(np.argmax(ious))
            right = ious[k] >= 0.5 and self.names[k] == proposal.class_name
            matches.append(k if right else -1)
        return matches


@pytest.fixture(scope="module")
def gas() -> Scene:
    return Scene("A+C")


def test_a_click_proposes_the_flank(gas):
    """Separate molecules, and such as touch one another; the size is not known."""
    assert np.mean(gas.clicked(OutlineProposer(gas.image))) > 0.88
    crystal = Scene("A")
    assert np.mean(crystal.clicked(OutlineProposer(crystal.image))) > 0.83


def test_a_proposal_is_easy_to_correct(gas):
    x, y = polygon_centroid(gas.outlines[0])
    points = OutlineProposer(gas.image).propose(x, y)
    assert 12 <= len(points) <= 40
    assert (points >= 0).all() and (points <= SIDE).all()
    assert np.array_equal(points, propose_outline(gas.image, x, y))


def test_an_example_makes_proposals_better(gas):
    network = Scene("network")
    without = network.clicked(OutlineProposer(network.image))
    proposer = OutlineProposer(network.image, network.examples())
    assert np.mean(network.clicked(proposer)) > max(0.88, np.mean(without) + 0.03)


def test_dark_molecules_on_bright_ground(gas):
    bright = OutlineProposer(gas.image).propose(*polygon_centroid(gas.outlines[0]))
    dark = OutlineProposer(255 - gas.image).propose(*polygon_centroid(gas.outlines[0]))
    one, other = gas.masks([bright, dark])
    assert one.iou(other) > 0.95


def test_noise_and_a_tilted_ground():
    scene = Scene("A+C", noise=0.05)
    tilt = np.linspace(0, 60, SIDE)[None, :, None]
    scene.image = np.clip(scene.image * 0.7 + tilt, 0, 255).astype(np.uint8)
    assert np.mean(scene.clicked(OutlineProposer(scene.image))) > 0.8


def test_large_molecules_are_found_without_their_size():
    image, truth = simulate("A+B", 900, 0, pixels_per_molecule=260)
    shape = next(s for s in truth.shapes if not s.flags["edge"])
    points = OutlineProposer(image).propose(*polygon_centroid(shape.points))
    one, other = CroppedMask.of_polygons([points, np.asarray(shape.points, float)], 900, 900)
    assert one.iou(other) > 0.75


def test_a_molecule_cut_by_the_border_ends_there(gas):
    cut = max(gas.edge, key=lambda mask: mask.area)
    rows, columns = np.nonzero(cut.pixels)
    x, y = columns.mean() + cut.left + 0.5, rows.mean() + cut.top + 0.5
    points = OutlineProposer(gas.image, gas.examples()).propose(x, y)
    assert (points >= 0).all() and (points <= SIDE).all()
    assert gas.masks([points])[0].iou(cut) > 0.6


def test_where_nothing_stands_out_a_sentence_says_so():
    rng = np.random.default_rng(0)
    noise = rng.integers(118, 138, (200, 200, 1)).repeat(3, axis=2).astype(np.uint8)
    for image in (noise, np.full((200, 200, 3), 90, np.uint8)):
        with pytest.raises(InputError, match="nothing stands out at"):
            OutlineProposer(image).propose(100, 100)
    with pytest.raises(InputError, match="outside the image of 200 x 200 pixels"):
        OutlineProposer(noise).propose(250, 10)


@pytest.mark.parametrize("system", ["A+C", "network"])
def test_one_example_of_each_class_finds_the_others(system):
    scene = Scene(system)
    examples = scene.examples()
    shares: list[float] = []
    proposals = find_alike(scene.image, examples, progress=shares.append)
    inner = [p for p in proposals if all(p_mask.iou(m) < 0.3 for m in scene.edge
                                         for p_mask in scene.masks([p.points]))]  # fmt: skip
    matches = scene.matched(inner)
    right = [k for k in matches if k >= 0]
    assert len(right) == len(set(right))  # no doubles
    assert len(right) >= 0.9 * (len(scene.outlines) - len(examples))
    assert len(right) >= 0.9 * len(matches)
    drawn = scene.masks([points for _, points in examples])
    found = scene.masks([p.points for p in proposals])
    assert max(one.iou(other) for one in drawn for other in found) < 0.2
    assert shares == sorted(shares) and shares[-1] == 1


def test_mirror_images_are_found_where_they_are_allowed():
    """A chiral molecule, once as it is and once mirrored."""
    image = np.zeros((160, 320, 3), np.uint8)
    parts = [(60, 50, 14, 60), (60, 96, 50, 14), (74, 50, 18, 14)]  # left, top, width, height
    for left, top, width, height in parts:
        image[top : top + height, left : left + width] = 200
    image[:, 160:] = image[:, 159::-1]
    outline = np.array([(60, 50), (92, 50), (92, 64), (74, 64), (74, 96), (110, 96), (110, 110),
                        (60, 110)], float)  # fmt: skip
    found = find_alike(image, [("L", outline)])
    mirrored = outline * (-1, 1) + (320, 0)
    one, other = CroppedMask.of_polygons([found[0].points, mirrored], 160, 320)
    assert len(found) == 1 and one.iou(other) > 0.9
    alone = find_alike(image, [("L", outline)], mirror=False)
    assert all(p.likeness < found[0].likeness - 0.05 for p in alone)


def test_nothing_outlined_finds_nothing(gas):
    assert find_alike(gas.image, []) == []
    outside = np.array([(400, 10), (440, 10), (440, 50)], float)
    assert find_alike(gas.image, [("rod", np.zeros((3, 2))), ("rod", outside)]) == []
    flat = np.full((200, 200, 3), 90, np.uint8)
    square = np.array([(80, 80), (110, 80), (110, 110), (80, 110)], float)
    assert find_alike(flat, [("square", square)]) == []
    assert find_alike(flat, [("speck", 100 + (square - 80) / 10)]) == []


def test_the_threshold_lies_in_the_gap():
    molecules, others = [0.9, 0.93, 0.95, 0.96], [0.52, 0.55, 0.6, 0.65, 0.66, 0.68]
    assert 0.68 < likeness_threshold(np.array(others + molecules)) < 0.9
    assert likeness_threshold(np.array([0.97, 0.98, 0.985])) <= 0.85
    assert likeness_threshold(np.array([])) == likeness_threshold(np.array([0.6, 0.61]))
