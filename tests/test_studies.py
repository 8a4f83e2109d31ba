"""studies/: points are measured once and outlive a kill; tables and figures; images."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
from checkout import ROOT
from detectors import detections

from spm.errors import InputError
from spm.inference.detector import Detector
from spm.io.images import read_image
from spm.simulate import SYSTEMS, simulate
from spm.structures.molecule import annotation_to_molecules
from studies import (
    augmentation,
    calibration,
    drift,
    networks,
    nms_filter,
    resolution,
    results,
    systems,
)
from studies.points import Point, Store, run_points

POINTS = [Point(f"seed {seed}", {"seed": seed, "sizes": (1, 2)}) for seed in range(4)]


class Counter:
    """Measures a point by counting the calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, settings, folder):
        self.calls.append(settings["seed"])
        print("epoch 1: loss 0.5")
        (folder / "weights").write_text("large", encoding="utf-8")
        return {"twice": 2 * settings["seed"], "nothing": float("nan")}


def test_a_point_is_measured_once(tmp_path, capsys):
    count = Counter()
    folder = tmp_path / "结果 [1]"
    first = run_points(POINTS[:2], count, folder, "study")
    assert first == [{"twice": 0, "nothing": None}, {"twice": 2, "nothing": None}]
    assert run_points(POINTS, count, folder, "study")[:2] == first
    assert count.calls == [0, 1, 2, 3]
    assert "4 points, 2 to be measured" in capsys.readouterr().out
    # Nothing is left of a finished point but its file.
    assert sorted(p.suffix for p in folder.iterdir()) == [".json"] * 4
    run_points([Point("", {"seed": 0, "sizes": (1, 3)})], count, folder, "study")
    assert count.calls[4:] == [0]


def test_a_damaged_point_is_measured_again(tmp_path):
    count, store = Counter(), Store(tmp_path)
    run_points(POINTS, count, tmp_path, "study")
    whole = store.path(POINTS[1].settings).read_text("utf-8")
    record = json.loads(whole)
    damages = ["", whole[:50], json.dumps({**record, "settings": {"seed": 7}}), "[]"]
    for damage in damages:
        store.path(POINTS[1].settings).write_text(damage, encoding="utf-8")
        run_points(POINTS, count, tmp_path, "study")
    assert count.calls == [0, 1, 2, 3] + [1] * len(damages)
    assert json.loads(store.path(POINTS[1].settings).read_text("utf-8"))["result"]["twice"] == 2


def test_a_point_that_fails_keeps_its_folder_and_the_others(tmp_path, capsys):
    def fail(settings, folder):
        if settings["seed"] == 2:
            (folder / "epoch1").write_text("x", encoding="utf-8")
            raise InputError("no memory.")
        return {"twice": 1}

    with pytest.raises(InputError, match="no memory"):
        run_points(POINTS, fail, tmp_path, "study")
    assert "log.txt" in capsys.readouterr().err
    store = Store(tmp_path)
    assert (store.work_folder(POINTS[2].settings) / "epoch1").is_file()
    assert [store.read(p.settings) is None for p in POINTS] == [False, False, True, True]


CHILD = """
import sys, time
from pathlib import Path
from studies.points import Point, run_points

def measure(settings, folder):
    with open(sys.argv[2], "a") as file:
        file.write(f"{settings['seed']}\\n")
    time.sleep(0.05)
    return {"value": settings["seed"], "much": list(range(20000))}

points = [Point(str(k), {"seed": k}) for k in range(8)]
for result in run_points(points, measure, Path(sys.argv[1]), "study"):
    assert len(result["much"]) == 20000
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_at_any_time_it_goes_on(tmp_path):
    calls = tmp_path / "calls"
    command = [sys.executable, "-c", CHILD, str(tmp_path / "out"), str(calls)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    kills = 0
    for wait in (0.0, 0.01, 0.03, 0.06, 0.1):
        before = len(_lines(calls))
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        # Until it works on a point, then a little longer.
        while len(_lines(calls)) == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 3
    assert subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    counted = _lines(calls)
    assert set(counted) == {str(k) for k in range(8)}
    # Only the point under way is lost by a kill.
    assert len(counted) <= 8 + kills
    assert not [p for p in (tmp_path / "out").iterdir() if p.suffix != ".json"]


def _lines(path):
    return path.read_text().split() if path.exists() else []


# --- images ----------------------------------------------------------------------------------


def test_resampled_outlines_stay_on_their_molecules():
    [scene] = networks.draw({"system": "A+B", "size": 300, "count": 1, "seed": 3})
    image, truth = networks.resampled(scene, 0.35)
    assert image.shape == (105, 105, 3) and (truth.height, truth.width) == (105, 105)
    np.testing.assert_allclose(
        truth.shapes[0].points, scene[1].shapes[0].points * 105 / 300, atol=1e-9
    )
    assert networks.diameter([(image, truth)]) == pytest.approx(
        0.35 * networks.diameter([scene]), rel=1e-6
    )
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(s.points).astype(np.int32) for s in truth.shapes], 1)
    assert image[inside == 1].mean() > 1.5 * image[inside == 0].mean()


def test_slivers_without_a_pixel_are_left_out():
    [scene] = networks.draw({"system": "A+B", "size": 300, "count": 1, "seed": 0})
    small = networks.resampled(scene, 0.08)
    assert 0 < len(small[1].shapes) < len(scene[1].shapes)
    truths, _ = networks.answers(
        Detector(["003a", "020a"], 1.0, 32, 0.5, lambda images: [detections()] * len(images)),
        [small],
    )
    assert len(truths[0]) == len(small[1].shapes)


def test_what_is_trained_on_is_what_a_person_would_outline(tmp_path):
    from spm.dataset.annotated_images import outlined_sources

    scenes = networks.draw({"system": "A+B", "size": 300, "count": 2, "seed": 3})
    networks.write_scenes(tmp_path, scenes)
    sources = outlined_sources(tmp_path)
    assert len(sources) == 2
    for source, (image, truth) in zip(sources, scenes, strict=True):
        whole = [s for s in truth.shapes if s.extra["visible"] >= networks.OUTLINED_SHARE]
        assert 0 < len(whole) < len(truth.shapes)
        assert source.labels == [s.label for s in whole]
        np.testing.assert_array_equal(source.read_image(), image)


def test_copies_are_made_by_the_named_techniques(tmp_path):
    """The folder chain as the studies run it: L1 alone, and L3 copies."""
    from spm.dataset.index import read_index

    scenes = networks.draw({"system": "A", "size": 64, "count": 1, "seed": 3})
    for techniques, shrink_list, count in (([], (0.5,), 144), (["dropout", "elastic"], (), 72)):
        folder = tmp_path / str(count)
        networks.write_scenes(folder / networks.SOURCE, scenes)
        networks.make_dataset(
            folder, ["003a"], networks.Augmentation(techniques, shrink_list, copies=1), seed=0
        )
        assert len(read_index(folder / networks.DATASET)) == count


# --- the studies -------------------------------------------------------------------------------


def bright_places(images):
    """Stands for a network: every bright place is a molecule of either class."""
    answers = []
    for image in images:
        bright = (image[..., 0] > 150).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
        chosen = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] > 40]
        boxes = [
            (stats[k, 1], stats[k, 0], stats[k, 1] + stats[k, 3], stats[k, 0] + stats[k, 2])
            for k in chosen
        ]
        classes = [0] * len(chosen) + [1] * len(chosen)
        scores = [0.9] * len(chosen) + [0.8] * len(chosen)
        masks = [labels == k for k in chosen]
        answers.append(detections(boxes * 2, classes, scores, masks * 2))
    return answers


@pytest.fixture
def trainings(monkeypatch):
    """Small images, and `bright_places` in place of every trained network."""
    made = []

    def train(scenes, names, folder, **settings):
        made.append((len(scenes), list(names), settings))
        return folder / "weights.h5"

    @contextmanager
    def detector(weights):
        names = made[-1][1]
        yield Detector([*names, "other"][:2], 0.5, 96, 0.5, bright_places, 1, 45.0)

    monkeypatch.setattr(networks, "train", train)
    monkeypatch.setattr(networks, "trained_detector", detector)
    for study in (systems, nms_filter, resolution, augmentation):
        monkeypatch.setattr(study, "TEST_SIZE", 450 if study is resolution else 270)
        monkeypatch.setattr(study, "TEST_COUNT", 1)
        monkeypatch.setattr(study, "QUICK_COUNT", 1, raising=False)
    for study in (nms_filter, resolution, augmentation):
        monkeypatch.setattr(study, "CROP", 250 if study is resolution else 120)
    monkeypatch.setattr(systems, "CROPS", (120, 120))
    return made


@pytest.mark.parametrize(
    ("study", "count", "rows"),
    [(systems, 6, 7), (nms_filter, 2, 8), (resolution, 3, 42), (augmentation, 5, 5)],
)
def test_a_study_trains_each_point_once_and_writes_table_and_figure(
    study, count, rows, trainings, tmp_path, capsys
):
    name = study.__name__.rpartition(".")[2]
    for _ in range(2):
        assert study.main(quick=True, out=tmp_path) == 0
    assert len(trainings) == count
    stem = tmp_path / f"{name}_quick"
    with stem.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == rows
    assert all(0 <= float(row["recognition_rate"]) <= 1 for row in table)
    assert sum(float(row["truths"]) for row in table) > rows
    record = json.loads(stem.with_suffix(".json").read_text("utf-8"))
    assert record["quick"] and len(record["points"]) == count
    assert read_image(stem.with_suffix(".png")).shape[1] > 1000
    assert stem.with_suffix(".svg").stat().st_size > 0
    assert f"{name}_quick.csv" in capsys.readouterr().out


def test_the_extra_nms_takes_the_second_name_away(trainings, tmp_path):
    nms_filter.main(quick=True, out=tmp_path)
    rows = json.loads((tmp_path / "nms_filter_quick.json").read_text("utf-8"))["rows"]
    pairs = {(r["system"], r["images"], r["extra_nms"]): r["false_positives"] for r in rows}
    system, images = "A+B", "like the crop"
    assert pairs[system, images, "without"] > pairs[system, images, "with"]


def test_full_settings_differ_from_quick_ones(trainings):
    """A quick result must never stand for a full one."""
    for study, arguments in (
        (systems, ("A + B", 0)),
        (nms_filter, ("A+B", 0)),
        (resolution, ("60", 0)),
        (augmentation, ("dropout", 0)),
    ):
        quick, full = (study._settings(*arguments, quick=q) for q in (True, False))
        assert quick["steps"] < full["steps"]
        for settings in (quick, full):
            steps = settings["steps"]
            assert steps % networks.STEPS_PER_EPOCH == 0
            json.dumps(settings)


def test_seeds_are_averaged():
    each = [{"ap50": ap, "classes": {}, "x": None} for ap in (0.5, 0.8)]
    row = results.average(each)
    assert row == {"seeds": 2, "ap50": 0.65, "ap50_low": 0.5, "ap50_high": 0.8}


def test_figures_of_numbers_that_do_not_exist(tmp_path):
    rows = [{"name": "a", "ap50": None, "seeds": 1}, {"name": "b", "ap50": 0.5, "seeds": 2}]
    figure = results.bars(rows, "name", {"ap50": "AP"}, limit=1)
    assert results.save(figure, tmp_path / "bars")[0].stat().st_size > 0
    figure = results.curves({"p": {"a": ([100, 18], [None, 0.5])}}, "x", "y", falling=True)
    assert results.save(figure, tmp_path / "curves")[0].stat().st_size > 0


def test_the_recipe_is_part_of_a_points_name(monkeypatch):
    """Another recipe, other points; the same one in another process, the same points."""
    from Images_Augmentation.online_aug import ViewSettings
    from train_test import LightConfig

    command = [sys.executable, "-c", "from studies.networks import recipe; print(recipe())"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    elsewhere = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before = networks.recipe()
    assert elsewhere.stdout.strip() == before
    monkeypatch.setattr(LightConfig, "LEARNING_RATE", 0.7)
    after = networks.recipe()
    assert after != before
    monkeypatch.setattr(ViewSettings.__dataclass_fields__["contrast"], "default", 0.7)
    assert networks.recipe() not in (before, after)


def test_drift_is_taken_out_of_simulated_pairs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(drift, "QUICK_PAIRS", 1)
    monkeypatch.setattr(drift, "QUICK_SIZE", 400)
    drift.main(quick=True, out=tmp_path)
    with (tmp_path / "drift_quick.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["by"] for row in rows] == ["molecules", "patches"]
    for row in rows:
        assert float(row["lattice_after_percent"]) < 0.2 < 1 < float(row["lattice_before_percent"])
    assert "patches: lattice off by at most" in capsys.readouterr().out


def test_a_wrong_name_is_a_wrong_answer_and_a_cut_molecule_is_none():
    names = SYSTEMS["A+B"].class_names
    _, truth = simulate("A+B", 400, seed=1)
    found = [replace(m, score=0.9) for m in annotation_to_molecules(truth.classified(names))]
    whole = [k for k, shape in enumerate(truth.shapes) if not shape.flags.get("edge")]
    other = {names[0]: names[1], names[1]: names[0]}
    renamed = whole[3]
    found[renamed] = replace(found[renamed], class_name=other[found[renamed].class_name])
    found[whole[5]] = replace(found[whole[5]], unfamiliar=True)
    rows = calibration.judged(found, truth, names)
    assert 0 < len(rows) == len(whole) < len(found)
    assert [right for _, right, _ in rows].count(False) == 1 and not rows[3][1]
    assert [flagged for *_, flagged in rows].count(True) == 1 and rows[5][2]
