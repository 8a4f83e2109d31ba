"""From a microscope's file to table, statistics, report and exports, with a stand-in network.

The surface has two kinds of round molecules on a square lattice of 26 pixels; the scan size is
known, so that every length in the results can be worked out by hand.
"""

import csv
import json

import instrument_files
import numpy as np
import pytest
from colour_detector import CLASSES, fake, read_colours

from engine.predict_image import predict_file
from spm import convert, exports
from spm.inference.predict import Settings
from spm.instruments.inputs import open_image

SIDE, STEP, RADIUS = 182, 26, 9
NM = 0.05  # a pixel
LOW, HIGH = 0.1, 0.2  # nm


def surface():
    """Heights in metres: a tilted plane with low and high discs, offsets of the scan lines."""
    y, x = np.mgrid[:SIDE, :SIDE]
    row, column = y // STEP, x // STEP
    inside = np.hypot(y % STEP - 12.5, x % STEP - 12.5) < RADIUS
    nm = inside * np.where((row + column) % 2, LOW, HIGH) + 0.004 * x - 0.002 * y
    return (nm + np.random.default_rng(0).normal(0, 0.05, SIDE)[:, None]) * 1e-9


def see_heights(images):
    """What the network sees in grey, as the colours that the stand-in of test_predict reads."""
    grey = [image[..., 0].astype(int) for image in images]
    high, low = ([g > 190 for g in grey], [(g > 70) & (g <= 190) for g in grey])
    return read_colours(
        [np.stack([h * 255, h * 0, b * 255], axis=-1) for h, b in zip(high, low, strict=True)]
    )


@pytest.mark.parametrize("converted", [True, False], ids=["converted", "instrument file"])
def test_lengths_are_those_of_the_surface(converted, tmp_path, capsys):
    pytest.importorskip("nanonispy2")
    folder, out = tmp_path / "Messung 扫描 [1]", tmp_path / "out"
    folder.mkdir()
    path = folder / "Au 017.sxm"
    frame = (SIDE * NM * 1e-9, SIDE * NM * 1e-9)
    instrument_files.write_sxm(path, surface(), surface(), frame=frame)
    if converted:
        convert.main(folder=folder, colour_map="grey")
        path = path.with_suffix(".png")
    opened = open_image(path, **({} if converted else {"colour_map": "grey"}))
    predict_file(
        path, "Au 017", out, fake(see_heights, name="run/w.h5"), Settings(), opened=opened,
        report=True,
    )  # fmt: skip

    with (out / "Au 017_molecules.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 49
    area = np.pi * (RADIUS * NM) ** 2
    assert [float(row["area_nm2"]) for row in table] == pytest.approx([area] * 49, rel=0.1)

    summary = json.loads((out / "Au 017_summary.json").read_text(encoding="utf-8"))
    side = STEP * NM
    cell = summary["domains"][0]
    # Alternating classes: the cell is the square root of two times the distance, turned by 45°.
    for name in ("a", "b"):
        assert cell[name]["unit"] == "nm"
        assert cell[name]["value"] == pytest.approx(side * np.sqrt(2), rel=0.01)
    assert cell["angle"]["value"] == pytest.approx(90, abs=0.5)
    density = 1 / side**2 / 2
    for name, height in (("red", HIGH), ("blue", LOW)):
        found = summary["classes"][name]
        assert found["density"] == pytest.approx(density, rel=0.03)
        assert found["height"]["mean"] == pytest.approx(height, abs=0.01)

    assert summary["settings"]["prediction"]["weights"] == "run/w.h5"
    with np.load(out / "Au 017_averages.npz") as stored:
        assert stored["value_unit"] == "nm"
        cell = stored["cell_1_mean"]
        places = (stored["cell_1_sites"] * cell.shape[::-1]).astype(int)
        tops = dict(zip(stored["cell_1_site_classes"].tolist(), cell[places[:, 1], places[:, 0]],
                        strict=True))  # fmt: skip
        ground = np.percentile(cell, 20)
        assert tops["red"] - ground == pytest.approx(HIGH, abs=0.02)
        assert tops["blue"] - ground == pytest.approx(LOW, abs=0.02)

    page = (out / "Au 017_report.html").read_text(encoding="utf-8")
    assert "run/w.h5" in page and "Au 017.sxm" in page and 'class="m' in page
    capsys.readouterr()
    exports.main(files=[out / "Au 017_predicted.json"], formats=["coco", "tiff"])
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(out / "Au 017_predicted_labels.tif") as file:
        above, below = file.pages[0].tags["XResolution"].value
        assert above / below == pytest.approx(1 / NM)
        assert len(np.unique(file.asarray())) == 50
    coco = json.loads((out / "Au 017_predicted_coco.json").read_text(encoding="utf-8"))
    assert {c["name"] for c in coco["categories"]} == set(CLASSES)
