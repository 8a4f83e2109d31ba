"""The simulator: images and truth agree, seeds decide, bad input is named."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from spm.errors import InputError
from spm.geometry.polygon_filling import polygon_mask
from spm.simulate import (
    SYSTEMS,
    Cell,
    Drawing,
    Lobe,
    Site,
    System,
    drawing_from_crop,
    drawing_from_outline,
    drawings_from_annotation,
    molecule_crops,
    simulate,
)

CLEAN = {
    "noise": 0.0, "flicker": 0.0, "line_offsets": 0.0, "line_jitter": 0.0, "scars": 0.0,
    "background": 0.0, "line_levelling": 0.0, "adsorbates": 0, "colour_map": "grey",
}  # fmt: skip


def masks_of(truth):
    return [polygon_mask(s.points, truth.height, truth.width) for s in truth.shapes]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_gives_an_image_and_labels_of_its_classes(name):
    image, truth = simulate(name, size=(200, 260), seed=1)
    assert image.shape == (200, 260, 3) and image.dtype == np.uint8
    assert (truth.height, truth.width) == (200, 260)
    assert truth.shapes
    for shape in truth.shapes:
        assert shape.label.startswith(tuple(SYSTEMS[name].class_names))
        assert np.all(shape.points >= 0) and np.all(shape.points <= (260, 200))
    assert len({s.label for s in truth.shapes}) == len(truth.shapes)


def test_a_seed_decides_everything():
    first, truth = simulate("A+B", size=128, seed=3)
    again, truth_again = simulate("A+B", size=128, seed=3)
    other, _ = simulate("A+B", size=128, seed=4)
    assert np.array_equal(first, again)
    assert [s.points.tolist() for s in truth.shapes] == [
        s.points.tolist() for s in truth_again.shapes
    ]
    assert not np.array_equal(first, other)


def _image_of(seed):
    return simulate("A+B", size=96, seed=seed)[0]


def test_images_do_not_depend_on_the_process_that_makes_them():
    """pitfall 6: every image has its own draws, in whichever process it is made."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        there = list(pool.map(_image_of, range(3)))
    here = [_image_of(seed) for seed in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(there, here, strict=True))
    assert not np.array_equal(here[0], here[1])


@pytest.mark.parametrize("drift", [(0.0, 0.0), (0.12, -0.1)])
def test_outlines_hug_what_is_drawn_however_much_it_drifts(drift):
    """pitfall 7: pixels and outlines move together.

    People outline a blob at about 0.62 of its height; the rounded corners cost the rest of the IoU.
    """
    image, truth = simulate(
        "A+B", size=300, seed=7, coverage=0.2, drift=drift, creep=(0.01, 0.02), **CLEAN
    )
    bright = image[..., 0] > 0.62 * np.percentile(image[..., 0], 99)
    assert len(truth.shapes) >= 5
    drawn = np.any(masks_of(truth), axis=0)
    assert (drawn & bright).sum() / (drawn | bright).sum() > 0.84


def test_drift_moves_the_molecules_by_what_the_truth_says():
    still = simulate("network", size=300, seed=5, drift=(0, 0), creep=(0, 0), patches=0.0)[1]
    moved = simulate("network", size=300, seed=5, drift=(0.1, 0), creep=(0, 0), patches=0.0)[1]
    places = np.array([s.extra["centre"] for s in still.shapes])
    for shape in moved.shapes:
        x, y = shape.extra["centre"]
        back = (x + 0.1 * 300 * (y - 150) / 300, y)
        nearest = np.abs(places - back).sum(axis=1).min()
        # Those that drifted in from outside have no partner; all others are exact to rounding.
        assert nearest < 0.05 or shape.flags["edge"] or min(x, 300 - x) < 50


def test_molecules_cut_by_the_border_keep_their_whole_outline():
    _, truth = simulate("network", size=200, seed=0, patches=0.0)
    cut = [s for s in truth.shapes if s.flags["edge"]]
    whole = [s for s in truth.shapes if not s.flags["edge"]]
    assert cut and whole
    for shape in cut:
        full = np.array(shape.extra["full_points"])
        assert full.min() < 0 or full.max() > 200
        assert 0.02 <= shape.extra["visible"] < 1
    assert all(s.extra["visible"] == 1 and "full_points" not in s.extra for s in whole)


def test_a_gas_has_no_molecule_on_another():
    _, truth = simulate("A+B+dichlorobiphenyl", size=400, seed=6, coverage=0.4)
    covered = np.sum(masks_of(truth), axis=0)
    assert len(truth.shapes) > 20
    assert covered.max() == 1


def test_a_gas_can_be_asked_for_a_number_of_molecules():
    _, truth = simulate("A+B", size=400, seed=1, count=7, adsorbates=0, drift=(0, 0))
    centres = np.array([s.extra["centre"] for s in truth.shapes])
    inside = np.all((centres >= 0) & (centres < 400), axis=1)
    assert inside.sum() == 7


def test_domains_meet_without_molecules_on_each_other():
    _, truth = simulate("A", size=400, seed=3, domains=5, patches=0.0)
    covered = np.sum(masks_of(truth), axis=0)
    assert np.mean(covered > 1) < 0.01
    assert len(truth.extra["simulation"]["lattice_vectors"]) == 5


def test_lattice_vectors_lead_from_molecule_to_molecule():
    _, truth = simulate(
        "network", size=700, seed=1, patches=0, vacancies=0.0, jitter=0.0, adsorbates=0,
        drift=(0.05, 0.03), creep=(0, 0), nm_per_pixel=0.05,
    )  # fmt: skip
    facts = truth.extra["simulation"]
    a, b = np.array(facts["lattice_vectors"][0])
    assert np.allclose(np.array(facts["lattice_vectors_nm"][0]), 0.05 * np.array([a, b]), atol=1e-4)
    centres = np.array([s.extra["centre"] for s in truth.shapes])
    central = centres[np.all(np.abs(centres - 350) < 60, axis=1)]
    assert len(central) >= 2
    for centre in central:
        for step in (a, -a, b, -b):
            assert np.hypot(*(centres - centre - step).T).min() < 0.1


def test_vacancies_and_patches_take_molecules_away():
    def number(**kwargs):
        return len(simulate("network", size=500, seed=2, adsorbates=0, **kwargs)[1].shapes)

    full = number(vacancies=0.0, patches=0.0)
    assert number(vacancies=0.3, patches=0.0) < 0.85 * full
    assert number(vacancies=0.0, patches=8.0) < full


def test_a_surface_without_molecules():
    image, truth = simulate(System("bare"), size=64, seed=0)
    assert image.shape == (64, 64, 3)
    assert truth.shapes == []


def test_scale_follows_pixels_per_molecule():
    for pixels in (20.0, 60.0, 90.0):
        truth = simulate("A+B", size=300, seed=1, pixels_per_molecule=pixels)[1]
        whole = [s for s in truth.shapes if not s.flags["edge"] and s.label.startswith("003a")]
        longest = [np.ptp(s.points, axis=0).max() for s in whole]
        assert np.median(longest) == pytest.approx(pixels, rel=0.15)


def test_an_unstable_tip_spoils_lines_but_not_the_truth():
    good, truth = simulate("network", size=300, seed=4)
    bad, same = simulate("network", size=300, seed=4, unstable_tip=True)
    assert [s.points.tolist() for s in truth.shapes] == [s.points.tolist() for s in same.shapes]

    def unrest(image):
        return np.abs(np.diff(image[..., 0].astype(int), axis=0)).mean()

    assert unrest(bad) > 1.5 * unrest(good)


def test_scrambled_molecules_are_flagged_and_alone_spoilt():
    good, _ = simulate("A+B", size=300, seed=8)
    bad, truth = simulate("A+B", size=300, seed=8, scrambled=2)
    spoilt = [s for s in truth.shapes if s.flags.get("scrambled")]
    assert len(spoilt) == 2
    assert not any(s.flags["edge"] for s in spoilt)
    changed = np.any(good != bad, axis=2)
    # Levelling carries a little of the spoilt lines along whole rows: look at strong changes.
    strong = np.abs(good.astype(int) - bad).max(axis=2) > 60
    near = np.zeros_like(changed)
    y, x = np.mgrid[:300, :300] + 0.5
    for shape in spoilt:
        cx, cy = shape.extra["centre"]
        near |= np.hypot(x - cx, y - cy) < 42
    assert strong.any() and strong[near].sum() > 0.95 * strong.sum()


def test_random_appearance_varies_and_overrides_win():
    maps = set()
    for seed in range(6):
        image, truth = simulate("A+B", size=64, seed=seed, random_appearance=True)
        maps.add(truth.extra["simulation"]["colour_map"])
    assert len(maps) > 2
    grey, _ = simulate("A+B", size=64, seed=1, random_appearance=True, colour_map="grey")
    assert np.array_equal(grey[..., 0], grey[..., 2])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"system": "C+D"}, "C+D"),
        ({"system": "A", "nosie": 0.1}, "nosie"),
        ({"system": "A", "colour_map": "pink"}, "pink"),
        ({"system": "A", "size": 0}, "size"),
        ({"system": "A", "seed": -1}, "seed"),
        ({"system": "A", "pixels_per_molecule": 1}, "pixels_per_molecule"),
        ({"system": "A", "drift": (0.0, -2.0), "size": 64}, "drift"),
        ({"system": System("x", shares={"nobody": 1.0})}, "nobody"),
        ({"system": "A+B", "size": 64, "scrambled": 9}, "9"),
    ],
)
def test_bad_input_is_named(arguments, word):
    with pytest.raises(InputError, match=word.replace("+", r"\+")):
        simulate(**arguments)


def test_own_molecules_from_an_annotation():
    image, truth = simulate("A+B", size=300, seed=2, random_appearance=False)
    truth.shapes = [s for s in truth.shapes if not s.flags["edge"]]
    for drawings in (
        drawings_from_annotation(truth),
        drawings_from_annotation(truth, image=image),
        drawings_from_annotation(truth, classes=["003a", "020a"]),
    ):
        assert set(drawings) == {"003a", "020a"}
    own = System("own", shares={"003a": 1.0})
    again, copies = simulate(own, size=200, seed=0, drawings=drawings, **CLEAN)
    bright = again[..., 0] > 0.5 * np.percentile(again[..., 0], 99)
    drawn = np.any(masks_of(copies), axis=0)
    assert (drawn & bright).sum() / (drawn | bright).sum() > 0.7


def test_own_molecules_need_an_area_and_contrast():
    with pytest.raises(InputError, match="three points"):
        drawing_from_outline("mine", np.array([(0.0, 0.0), (1.0, 1.0)]))
    square = np.array([(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)])
    with pytest.raises(InputError, match="brighter"):
        drawing_from_crop("mine", np.zeros((40, 40, 3), np.uint8), square)
    with pytest.raises(InputError, match="no outline"):
        empty = simulate(System("bare"), size=32)[1]
        drawings_from_annotation(empty)


def test_a_drawing_and_a_cell_of_ones_own():
    """A dot on a square lattice of 40 pixels: worked out by hand."""
    circle = 10 * np.array([(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 13)[:-1]])
    dot = Drawing("dot", circle, (Lobe(0, 0, 0, 0, 8.0),))
    cell = Cell((40.0, 0.0), (0.0, 40.0), (Site("dot", 0.0, 0.0, 0.0),))
    _, truth = simulate(
        System("dots", cell=cell, angle=0.0, jitter=0.0), size=400, drawings={"dot": dot}
    )
    centres = np.array([s.extra["centre"] for s in truth.shapes if not s.flags["edge"]])
    steps = np.diff(np.unique(np.round(centres[:, 0], 1)))
    assert np.allclose(steps, 40.0, atol=0.11)


def test_molecule_crops():
    crops = molecule_crops("003a", 4, size=50, seed=1)
    assert crops.shape == (4, 50, 50, 3) and crops.dtype == np.uint8
    assert np.array_equal(crops[:2], molecule_crops("003a", 2, size=50, seed=1))
    assert not np.array_equal(crops[0], crops[1])
    spoilt = molecule_crops("003a", 4, size=50, seed=1, scrambled=1)
    assert np.array_equal(spoilt[:3], crops[:3]) and not np.array_equal(spoilt[3], crops[3])
    assert molecule_crops("rod", 0).shape == (0, 70, 70, 3)
    with pytest.raises(InputError, match="nobody"):
        molecule_crops("nobody", 1)
    with pytest.raises(InputError, match="scrambled"):
        molecule_crops("rod", 1, scrambled=2)
    with pytest.raises(InputError, match="vacancies"):
        molecule_crops("rod", 1, vacancies=0.5)
