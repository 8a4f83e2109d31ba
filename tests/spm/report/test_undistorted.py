"""Simulated scans with drift, put right by their known cell."""

import json
import math
import shutil

import numpy as np
import pytest

from spm import pool, undistort
from spm.errors import InputError
from spm.instruments.inputs import open_image
from spm.io.pixel_size import read_scale, write_scaled_png
from spm.measure.lattice import reduce_basis
from spm.measure.statistics import measure
from spm.report.undistorted import moved
from spm.run.files import write_json
from spm.simulate import SYSTEMS, simulate
from spm.structures.annotation import read_annotation, write_annotation
from spm.structures.molecule import (
    annotation_to_molecules,
    molecules_to_annotation,
    set_orientations,
    write_table,
)

NM, SIDE = 0.08, 640
DRIFT = (0.08, -0.05)
CELL = SYSTEMS["B"].cell
SCALE = 30 / 60
A, B = (np.hypot(*v) * SCALE * NM for v in (CELL.a, CELL.b))
ANGLE = math.degrees(math.acos(np.dot(CELL.a, CELL.b) * (SCALE * NM) ** 2 / A / B))


@pytest.fixture(scope="module")
def scan():
    """Two domains of a threefold molecule, with drift and without creep, whose map is no affine
    one; and the same surface without drift."""
    how = {"domains": 2, "pixels_per_molecule": 30, "patches": 0, "creep": (0.0, 0.0)}
    drifted, straight = (simulate("B", SIDE, 12, drift=d, **how) for d in (DRIFT, (0.0, 0.0)))
    return drifted[0], molecules_of(drifted[1]), molecules_of(straight[1])


def molecules_of(truth):
    return set_orientations(annotation_to_molecules(truth.classified(["020a"])))


@pytest.fixture(scope="module")
def folder(scan, tmp_path_factory):
    """A folder of results with `scan`, which the first test corrects."""
    image, molecules, _ = scan
    folder = tmp_path_factory.mktemp("results")
    write_prediction(folder, "scan", image, molecules, NM)
    return folder


@pytest.fixture(scope="module")
def corrected(folder):
    """The same after the correction, with the bytes of all files before."""
    measured = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert run(folder, "scan") == 0
    return folder, measured


def write_prediction(folder, name, image, molecules, scale):
    write_scaled_png(folder / f"{name}.png", image, scale)
    annotation = molecules_to_annotation(molecules, SIDE, SIDE, f"{name}.png", scale)
    write_annotation(folder / f"{name}_predicted.json", annotation)
    write_table(folder / f"{name}_molecules.csv", molecules, scale)
    found = measure(molecules, SIDE, SIDE, scale, class_names=["020a"])
    write_json(folder / f"{name}_summary.json", found.summary)


def run(folder, *names, **more):
    known = {"a": A, "b": B, "angle": ANGLE} if "like" not in more else {}
    files = [folder / f"{name}_predicted.json" for name in names]
    return undistort.main(files=files, images=folder / "none", **(known | more))


def test_lattice_after_correction_is_within_two_per_mille(corrected):
    folder, measured = corrected
    before = json.loads((folder / "scan_summary.json").read_text("utf-8"))
    worst = max(abs(d["a"]["value"] / A - 1) for d in before["domains"][:2])
    assert worst > 0.02, "there is something to put right"
    assert all((folder / name).read_bytes() == data for name, data in measured.items())
    after = json.loads((folder / "scan_undistorted_summary.json").read_text("utf-8"))
    # Nearly hexagonal: the shortest vectors are not those that the simulator counts by.
    cell = np.hypot(*(reduce_basis(np.array([CELL.a, CELL.b]))[0] * SCALE * NM).T).tolist()
    for domain in after["domains"][:2]:
        assert [domain["a"]["value"], domain["b"]["value"]] == pytest.approx(cell, rel=0.002)
    assert after["image"]["nm_per_pixel"] == NM == read_scale(folder / "scan_undistorted.png")
    # The simulator's tip sees the surface at (x + dx y, y + dy y).
    found = after["undistorted"]
    for key, truth in zip(("sx", "h", "sy"), (1, DRIFT[0], 1 + DRIFT[1]), strict=True):
        assert found["map"][key] == pytest.approx(truth, abs=0.002)
        assert abs(found["map"][key] - truth) < 5 * found["errors"][key]
    for name in ("_report.html", "_predicted.png", "_molecules.csv", "_averages.png"):
        assert (folder / f"scan_undistorted{name}").is_file()
    assert "x&#x27; = sx x + h y" in (folder / "scan_undistorted_report.html").read_text("utf-8")


def test_outlines_and_pixels_move_together(corrected, scan):
    """The corrected image, its outlines and the surface without drift agree in size and place."""
    folder, straight = corrected[0], scan[2]
    annotation = read_annotation(folder / "scan_undistorted_predicted.json")
    molecules = annotation_to_molecules(annotation.classified(["020a"]))
    image = open_image(folder / "scan_undistorted.png").image
    assert image.shape[:2] == (annotation.height, annotation.width)
    rows, columns = (np.array([m.centroid[k] for m in molecules], int) for k in (1, 0))
    inside = image.mean(axis=2)[rows, columns].mean()
    assert inside > 1.4 * image.mean(), "molecules are bright, and the outlines lie on them"
    areas = [np.median([m.area for m in ms if not m.edge]) for ms in (molecules, straight)]
    assert areas[0] == pytest.approx(areas[1], rel=0.01)
    assert {m.symmetry for m in molecules} == {3}


def test_corners_that_nobody_scanned_do_not_count(corrected, scan):
    summary = json.loads((corrected[0] / "scan_undistorted_summary.json").read_text("utf-8"))
    assert summary["image"]["area"] == pytest.approx((SIDE * NM) ** 2 * (1 + DRIFT[1]), rel=0.002)
    before = measure(scan[1], SIDE, SIDE, NM).summary["total"]
    assert summary["total"]["coverage"] == pytest.approx(before["coverage"], rel=0.01)
    density = before["density"] / (1 + DRIFT[1])
    assert summary["total"]["density"] == pytest.approx(density, rel=0.01)


def test_heights_and_the_map_of_another_image(corrected, scan, capsys):
    folder, (image, molecules, _) = corrected[0], scan
    write_prediction(folder, "next", image, molecules, NM)
    heights = image.mean(axis=2) / 500
    np.savez_compressed(folder / "next_heights.npz", heights_nm=heights)
    run(folder, "next", like=folder / "scan_undistortion.json")
    said = capsys.readouterr().out
    assert "domain 1, measured: a = " in said and "domain 2, corrected: a = " in said
    found = open_image(folder / "next_undistorted.png")
    assert found.heights_nm is not None
    assert np.percentile(found.heights_nm, 90) == pytest.approx(np.percentile(heights, 90), rel=0.1)
    one, other = (json.loads((folder / f"{n}_undistorted_summary.json").read_text("utf-8"))
                  for n in ("scan", "next"))  # fmt: skip
    assert (
        one["domains"] == other["domains"] and "scan_undistortion" in other["undistorted"]["source"]
    )
    write_prediction(folder, "bare", image, molecules, None)
    with pytest.raises(InputError, match="bare_predicted.json: the image has no scale"):
        run(folder, "bare", like=folder / "scan_undistortion.json")


def test_the_cell_gives_the_scale_where_there_is_none(corrected, scan):
    folder, (image, molecules, _) = corrected[0], scan
    write_prediction(folder, "bare", image, molecules, None)
    run(folder, "bare")
    found = json.loads((folder / "bare_undistorted_summary.json").read_text("utf-8"))
    assert found["image"]["nm_per_pixel"] == pytest.approx(NM * math.sqrt(1 + DRIFT[1]), rel=0.002)
    assert found["domains"][0]["a"]["value"] == pytest.approx(min(A, B), rel=0.002)


def test_pool_takes_either_the_measured_or_the_corrected(corrected, tmp_path):
    folder = tmp_path
    for path in corrected[0].glob("scan*"):
        shutil.copy(path, folder)
    pool.main(folder=folder, figures=False)
    plain = (folder / "all_images.csv").read_text("utf-8").splitlines()
    pool.main(folder=folder, figures=False, undistorted=True)
    corrected = (folder / "all_images.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in plain] == ["image", "scan"]
    assert [line.split(",")[0] for line in corrected] == ["image", "scan_undistorted"]


def test_what_is_wrong_is_told(folder):
    with pytest.raises(InputError, match="scan_predicted.json: no domain's cell is like"):
        undistort.main(files=[folder / "scan_predicted.json"], a=0.1, b=9, angle=90)
    with pytest.raises(InputError, match="give all of --a, --b"):
        undistort.main(files=[folder / "scan_predicted.json"], a=1)
    with pytest.raises(InputError, match="not what python -m spm.undistort writes"):
        run(folder, "scan", like=folder / "scan_summary.json")


def test_a_molecule_is_moved_whole(scan):
    molecule = scan[1][0]
    matrix = np.array([[2.0, 0, 5], [0, 3, -1]])
    found = moved(molecule, matrix)
    assert found.area == pytest.approx(6 * molecule.area)
    assert found.centroid == pytest.approx(
        (2 * molecule.centroid[0] + 5, 3 * molecule.centroid[1] - 1)
    )
    assert found.box[[1, 0]] == pytest.approx(found.outline.min(axis=0))
