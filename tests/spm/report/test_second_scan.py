"""Drift taken out by a second scan of the place: simulated pairs, scanned down and then up."""

import json

import numpy as np
import pytest
from instrument_files import surface, write_mtrx, write_sxm

from spm import undistort
from spm.errors import InputError
from spm.geometry.polygons import polygon_centroid
from spm.io.pixel_size import write_scaled_png
from spm.measure.lattice import reduce_basis
from spm.measure.scan_pair import measure_drift
from spm.report.predicted import open_predicted
from spm.report.undistortion import read_map
from spm.simulate import SYSTEMS, simulate_pair
from spm.structures.annotation import write_annotation
from spm.structures.molecule import annotation_to_molecules, molecules_to_annotation

NM, SIDE, DRIFT = 0.08, 640, (0.08, -0.05)
CELL = SYSTEMS["B"].cell
TRUE = np.hypot(*(reduce_basis(np.array([CELL.a, CELL.b]))[0] / 2).T)  # pixels, 30 a molecule
HOW = {"drift": DRIFT, "pixels_per_molecule": 30, "creep": (0.0, 0.0), "patches": 1}


@pytest.fixture(scope="module")
def pair():
    return simulate_pair("B", SIDE, 12, domains=2, **HOW)


def recognised(truth, seed):
    """Molecules as a network sees them: 10 % missed, each 0.3 pixels off its place."""
    rng = np.random.default_rng(seed)
    molecules = annotation_to_molecules(truth.classified(["020a"]))
    molecules = [m for m in molecules if rng.random() > 0.1]
    for m, (dx, dy) in zip(molecules, rng.normal(0, 0.3, (len(molecules), 2)), strict=True):
        m.outline, m.centroid = m.outline + (dx, dy), (m.centroid[0] + dx, m.centroid[1] + dy)
    return molecules


def write_prediction(folder, name, image, molecules, scale=NM):
    write_scaled_png(folder / f"{name}.png", image, scale)
    annotation = molecules_to_annotation(molecules, *image.shape[:2], f"{name}.png", scale)
    write_annotation(folder / f"{name}_predicted.json", annotation)


@pytest.fixture
def folder(pair, tmp_path):
    for number, (name, (image, truth)) in enumerate(zip(("down", "up"), pair, strict=True)):
        write_prediction(tmp_path, name, image, recognised(truth, number))
    return tmp_path


def run(folder, first, second, **more):
    undistort.main(files=[folder / f"{first}_predicted.json"], images=folder / "none",
                   second_scan=folder / second, **more)  # fmt: skip
    read = (folder / f"{first}_undistort{e}.json" for e in ("ion", "ed_summary"))
    return [json.loads(path.read_text("utf-8")) for path in read]


def cells(summary):
    return np.array([[d[key]["value"] for key in "ab"] for d in summary["domains"][:2]])


@pytest.mark.parametrize(("first", "second", "sign"), [("down", "up", 1), ("up", "down", -1)])
def test_molecules_of_both_scans_tell_the_drift(folder, first, second, sign, capsys):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    stored, summary = run(folder, first, f"{second}_predicted.json", scan_direction=first)
    assert all(path.read_bytes() == data for path, data in before.items())
    measured = stored["domains"][0]["measured"]
    assert abs(measured["a"]["value"] / TRUE[0] / NM - 1) > 0.01, "there is something to put right"
    assert cells(summary) == pytest.approx(np.stack([TRUE, TRUE]) * NM, rel=0.002)
    assert stored["second_scan"]["points"].endswith("molecules recognised in both")
    # The simulator's tip sees the surface at (x + dx y, y + dy y) on its way down.
    truth = {"sx": 1.0, "h": sign * DRIFT[0], "sy": 1 + sign * DRIFT[1]}
    for key, value in truth.items():
        assert abs(stored["map"][key] - value) <= 4 * stored["errors"][key] < 0.002
    # Whatever the direction of the scan, molecules move the same way in the image.
    found = stored["second_scan"]["drift_per_scan"]
    moved = [found[axis]["value"] / NM / SIDE for axis in "xy"]
    assert moved == pytest.approx([-DRIFT[0], -DRIFT[1]], abs=0.001)
    said = capsys.readouterr().out
    assert "drift during the scan, to the right: -4.09" in said and "note" not in said
    report = (folder / f"{first}_undistorted_report.html").read_text("utf-8")
    assert "drift during the scan, downwards" in report


def test_patches_where_the_second_scan_was_not_predicted(folder, pair):
    """And no scale: lengths stay pixels, and the map is for images without scale."""
    (image, truth), _ = pair
    write_prediction(folder, "bare", image, recognised(truth, 0), None)
    stored, summary = run(folder, "bare", "up.png", scan_direction="down")
    assert stored["second_scan"]["points"].endswith("patches of the images")
    assert stored["unit"] == "px per pixel" and summary["image"]["nm_per_pixel"] is None
    assert cells(summary) == pytest.approx(np.stack([TRUE, TRUE]), rel=0.002)
    assert abs(stored["map"]["h"] - DRIFT[0]) <= 4 * stored["errors"]["h"] < 0.002
    write_prediction(folder, "next", image, recognised(truth, 1), None)
    given = open_predicted(folder / "next_predicted.json", folder / "none")
    again = read_map(folder / "bare_undistortion.json").for_image(given)
    assert again.cell_map.matrix[0, 1] == stored["map"]["h"] and again.nm_per_pixel is None


def test_a_matrix_file_holds_both_scans(tmp_path):
    (down, _), (up, truth) = simulate_pair("B", (240, 360), 3, **HOW | {"pixels_per_molecule": 20})
    passes = {f"forward/{k}": v.mean(axis=2) * 1e-12 for k, v in (("up", up), ("down", down))}
    path = write_mtrx(tmp_path, passes)
    write_prediction(tmp_path, "default_2024--1_1", up, recognised(truth, 0), 6 / 360)
    undistort.main(files=[tmp_path / "default_2024--1_1_predicted.json"], image=path,
                   second_scan=path)  # fmt: skip
    stored = json.loads((tmp_path / "default_2024--1_1_undistortion.json").read_text("utf-8"))
    assert stored["second_scan"]["scanned"] == "up"
    assert stored["map"]["h"] == pytest.approx(-DRIFT[0], abs=0.001)
    assert stored["map"]["sy"] == pytest.approx(1 - DRIFT[1], abs=0.001)


def test_what_is_no_pair_is_told(folder, pair):
    with pytest.raises(InputError, match="does not say in which direction .* --scan-direction"):
        run(folder, "down", "up.png")
    with pytest.raises(InputError, match="give one of the known cell, --like and --second-scan"):
        run(folder, "down", "up.png", a=1, b=1, angle=90)
    up = pair[1][0]
    write_sxm(folder / "again.sxm", surface(), upward=False)
    with pytest.raises(InputError, match="again.sxm: was scanned down as the first .* scan up"):
        run(folder, "down", "again.sxm", scan_direction="down")
    write_scaled_png(folder / "small.png", up[:500], NM)
    with pytest.raises(InputError, match="small.png: has 640 x 500 pixels"):
        run(folder, "down", "small.png", scan_direction="down")
    write_scaled_png(folder / "other.png", up, 2 * NM)
    with pytest.raises(InputError, match="other.png: has 0.16 nm a pixel"):
        run(folder, "down", "other.png", scan_direction="down")
    elsewhere = np.random.default_rng(0).integers(0, 255, up.shape, np.uint8)
    write_scaled_png(folder / "elsewhere.png", elsewhere, NM)
    with pytest.raises(InputError, match="elsewhere.png: the two scans do not show the same"):
        run(folder, "down", "elsewhere.png", scan_direction="down")


@pytest.mark.parametrize(
    ("size", "seed", "drift"), [(1024, 1, (0.1258, 0.1313)), (512, 7, (-0.2, 0.2))]
)
def test_strips_that_the_second_scan_does_not_show(size, seed, drift):
    """They fit the lattice there all the same, some periods off: in the first pair better than
    those that are there, in the second one several of them on one line."""
    how = HOW | {"drift": drift, "patches": 0}
    (down, _), (up, _) = simulate_pair("B", size, seed, domains=1, **how)
    found = measure_drift((down, up))
    assert found.points > 25
    assert found.parameters == pytest.approx([1, drift[0], 1 + drift[1]], abs=0.001)


def test_creep_is_told_and_not_taken_for_drift():
    how = HOW | {"creep": (0.0, 0.02)}
    (down, first), (up, second) = simulate_pair("B", 512, 5, **how)
    places = [
        {
            "020a": np.array(
                [polygon_centroid(s.points) for s in truth.shapes if not s.flags["edge"]]
            )
        }
        for truth in (first, second)
    ]
    assert measure_drift((down, up), tuple(places)).bent[1] > 0.5
