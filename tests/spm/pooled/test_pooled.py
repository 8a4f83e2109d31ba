"""All images together: the tables against the files that they come from, and their numbers."""

import csv
import json
import shutil
import time

import cv2
import numpy as np
import pytest
import results_folder as made

import evaluate
from spm import pool
from spm.errors import InputError
from spm.pooled.conditions import read_conditions
from spm.pooled.folder import INDEX, TABLES, Asked, pool_folder
from spm.report.result_files import output_names
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.shape import Shape

QUICK = Asked(figures=False)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path, rng):
    """Six images: 30 R and 10 L each in the mean, two of them a crystal, one without a scale."""
    for k in range(6):
        molecules = made.gas({"R": rng.poisson(30), "L": rng.poisson(10)}, rng)
        molecules += made.crystal("R", rng) if k < 2 else []
        made.write_result(tmp_path, f"scan {k}", molecules, None if k == 5 else 0.1)
    return tmp_path


def test_every_molecule_and_every_image_is_in_the_tables(folder):
    found, problems = pool_folder(folder, QUICK)
    assert not problems and len(found.results) == 6
    single = {p.name[: -len("_molecules.csv")]: rows(p) for p in folder.glob("scan*_molecules.csv")}
    together = rows(folder / "all_molecules.csv")
    for name, lines in single.items():
        mine = [{k: v for k, v in r.items() if k != "image" and k in lines[0]}
                for r in together if r["image"] == name]  # fmt: skip
        assert mine == lines
    for line in rows(folder / "all_images.csv"):
        lines = single[line["image"]]
        summary = json.loads((folder / f"{line['image']}_summary.json").read_text("utf-8"))
        right = [r for r in lines if r["class"] == "R"]
        assert int(line["molecules"]) == len(lines) and int(line["R count"]) == len(right)
        assert int(line["R uncertain"]) == sum(r["uncertain"] == "1" for r in right)
        assert int(line["R unflagged"]) == len(right) - int(line["R uncertain"])
        assert float(line["R density"]) == pytest.approx(
            summary["classes"]["R"]["density"], rel=1e-5
        )
        assert line["length_unit"] == ("px" if line["image"] == "scan 5" else "nm")
        assert bool(line["a"]) == (line["image"] in ("scan 0", "scan 1"))
        assert line["weights (prediction)"] == "w.h5"
    assert any("no known scale" in note for note in found.notes)
    whole = {line["class"]: line for line in rows(folder / "all_classes.csv")}
    assert int(whole["L"]["molecules"]) == sum(r["class"] == "L" for r in together)
    (one, two) = rows(folder / "all_domains.csv")
    assert float(one["a"]) == pytest.approx(3.0, rel=0.01) and one["R count"] == one["molecules"]
    page = (folder / INDEX).read_text("utf-8")
    assert (
        page.count("<tr>") == (1 + 2) + (1 + 2) + (1 + 6) and 'href="scan%200_report.html"' in page
    )
    again, _ = pool_folder(folder, QUICK)
    assert again.names == found.names, "its own tables are no results"


def test_figures_and_the_command(folder, capsys):
    lines = [f"scan {k}.sxm;0,{k % 3};{'ab'[k % 2]}" for k in range(6)]
    text = "\n".join(["image;dose (L);sample", *lines])
    (folder / "conditions.csv").write_text(text, encoding="utf-8-sig")
    assert pool.main(folder=folder) == 0
    assert "in 6 images" in capsys.readouterr().out
    page = (folder / INDEX).read_text("utf-8")
    titles = ["Density by class", "Areas over images", "Enantiomeric excess"]
    titles += ["Lattice of the largest domain", "Density against dose (L)", "Density by sample"]
    for title in titles:
        assert f"<figcaption>{title}" in page
    assert rows(folder / "all_molecules.csv")[0]["dose (L)"] == "0.0"
    assert rows(folder / "all_images.csv")[4]["dose (L)"] == "0.1"
    assert (folder / "all_images.png").stat().st_size > 50_000
    for path in [*folder.glob("*_molecules.csv")][1:]:
        if path.name != "all_molecules.csv":
            path.unlink()
    assert pool.main(folder=folder) == 0
    assert "in 1 image" in capsys.readouterr().out
    assert not (folder / "all_images.png").exists(), "a point is an image"
    assert "<figcaption>" not in (folder / INDEX).read_text("utf-8")


def test_further_flags_are_counted_apart(folder):
    for path in folder.glob("scan*_molecules.csv"):
        lines = path.read_text("utf-8").splitlines()
        lines = [f"{line},{'moved' if k == 0 else int(k % 5 == 0)},{'shift' if k == 0 else k}"
                 for k, line in enumerate(lines)]  # fmt: skip
        path.write_text("\n".join(lines) + "\n", "utf-8")
    found, _ = pool_folder(folder, QUICK)
    assert found.flags == ["edge", "uncertain", "unfamiliar", "moved"]
    for line in rows(folder / "all_images.csv"):
        moved = int(line["R moved"]) + int(line["L moved"])
        assert moved == int(line["molecules"]) // 5
        assert line["R unfamiliar"] == line["L unfamiliar"] == "0"


def test_tables_of_before_there_was_a_likeness(folder):
    for path in folder.glob("scan*_molecules.csv"):
        lines = rows(path)
        kept = [c for c in lines[0] if c not in ("likeness", "unfamiliar")]
        text = [",".join(kept), *(",".join(line[c] for c in kept) for line in lines)]
        path.write_text("\n".join(text) + "\n", "utf-8")
    found, problems = pool_folder(folder, QUICK)
    assert not problems and len(found.results) == 6 and found.results[0].count("R") > 10


def test_mirror_classes_follow_from_the_training_or_are_named(folder):
    found, _ = pool_folder(folder, QUICK)
    assert found.mirror_classes == ("R", "L")
    right, left = found.counts("R"), found.counts("L")
    excess = found.excess().excess
    assert excess.value == pytest.approx((right - left) / (right + left))
    assert -1 < excess.low < excess.value < excess.high < 1
    assert (
        pool_folder(folder, Asked(mirror_classes=("L", "R"), figures=False))[0].excess().first
        == left
    )
    with pytest.raises(InputError, match="X is no class"):
        pool_folder(folder, Asked(mirror_classes=("L", "X")))


def test_counts_are_corrected_by_a_real_evaluation(tmp_path, rng):
    """20 true molecules, of which 16 are found, and 4 false ones: factor 20 / 20; then 10 more."""
    truth, results = tmp_path / "truth", tmp_path / "results"
    truth.mkdir()
    results.mkdir()
    molecules = [made.square(30 + 28 * k, 50, "R") for k in range(20)]
    false = [made.square(30 + 28 * k, 300, "R") for k in range(2)]
    shapes = [Shape(f"R{k}", m.outline) for k, m in enumerate(molecules)]
    write_annotation(truth / "a.json", Annotation(shapes, made.SIDE, made.SIDE, "a.png"))
    cv2.imwrite(str(truth / "a.png"), np.zeros((made.SIDE, made.SIDE), np.uint8))
    made.write_result(results, "a", molecules[:16] + false)
    out = results / "evaluation"
    evaluate.main(truth=truth, predicted=results, out=out, classes=["R"], figures=False)
    found, _ = pool_folder(results, QUICK)
    recognition = found.recognition["R"]
    assert (recognition.found, recognition.false, recognition.missed) == (16, 2, 4)
    line = next(r for r in rows(results / "all_classes.csv") if r["class"] == "R")
    assert line["molecules"] == "18" and line["corrected by precision and recall"] == "1"
    assert float(line["estimated molecules"]) == pytest.approx(20)
    low, high = (float(line[f"estimated molecules {end}"]) for end in ("low", "high"))
    assert 8 < low < 18 and 22 < high < 38


@pytest.mark.parametrize("text,words", [
    ("", "expected a header"),
    ("image\na\n", "expected a header"),
    ("image,x\na,1\nA,2\n", "again"),
    ("image,x,x\n", "different names"),
    ("image,x\na,1,2\n", "3 cells"),
])  # fmt: skip
def test_bad_conditions(tmp_path, text, words):
    path = tmp_path / "c.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=words):
        read_conditions(path, ["a"])


def test_conditions_as_spreadsheets_write_them(tmp_path):
    path = tmp_path / "c.csv"
    path.write_bytes("Bild;Dosis;Größe\nA.SXM;1,5;klein\nb.c;;x\n".encode("cp1252"))
    found = read_conditions(path, ["a", "b.c"])
    assert found.columns == ["Dosis", "Größe"]
    assert found.of("a") == ["1.5", "klein"] and found.of("other") == ["", ""]
    assert found.numbers("Dosis", ["a", "b.c"])[0] == 1.5 and found.numbers("Größe", ["a"]) is None


def test_a_column_that_the_tables_have_is_refused(folder):
    (folder / "conditions.csv").write_text("image,score\nscan 1,3\n", "utf-8")
    with pytest.raises(InputError, match="already"):
        pool_folder(folder, QUICK)


def test_damaged_results_are_left_out_and_told(folder):
    with (folder / "scan 1_molecules.csv").open("a", encoding="utf-8") as file:
        file.write("7,R7,R\n")
    (folder / "scan 2_summary.json").write_text("{", "utf-8")
    found, problems = pool_folder(folder, QUICK)
    assert [str(p).partition(":")[0].rpartition("/")[2] for p in problems] == [
        "scan 1_molecules.csv", "scan 2_summary.json",
    ]  # fmt: skip
    assert found.names == ["scan 0", "scan 3", "scan 4", "scan 5"]
    with pytest.raises(InputError, match="no results"):
        pool_folder(folder / "..", QUICK)
    assert all((folder / name).is_file() for name in TABLES)


def test_results_without_a_summary_have_densities(tmp_path, rng):
    made.write_result(tmp_path, "a", made.gas({"R": 12}, rng))
    (tmp_path / "a_summary.json").unlink()
    found, _ = pool_folder(tmp_path, QUICK)
    assert found.unit == "nm" and found.densities().item() == pytest.approx(12 / 60**2)


def test_many_images_take_little_time(tmp_path, rng):
    """30 s for 1,000 images of this size; here 100, and the processor's seconds."""
    made.write_result(tmp_path, "a0", made.gas({"R": 20}, rng) + made.crystal("L", rng, 36.0))
    for k in range(1, 100):
        for ending in ("molecules.csv", "summary.json"):
            shutil.copy(tmp_path / f"a0_{ending}", tmp_path / f"a{k}_{ending}")
    start = time.process_time()
    found, _ = pool_folder(tmp_path, QUICK)
    assert len(found.results) == 100 and time.process_time() - start < 3


def test_no_image_has_the_name_of_all(tmp_path):
    assert output_names([tmp_path / "All.png", tmp_path / "b.png"]) == ["All_png", "b"]
