"""`workflow.py --check`: what it sees, what it estimates, and that it starts nothing."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import h5py
import numpy as np
import pytest
from annotated import contents
from checkout import ROOT

import train_test
import workflow
from engine.workflow_check import disk_problems, expected_costs, run_folder_gigabytes
from spm.checks import preflight, time_memory_disk
from spm.errors import InputError
from spm.io.images import write_image
from spm.similarity.unlabelled import find_unlabelled
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.shape import Shape, outline

CLASSES = ["A", "B"]


def square(x, y, side, label="A1"):
    return Shape(
        label, np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], float)
    )


def save(folder, shapes, name="a", height=100, width=120, **more):
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / f"{name}.png", np.full((height, width, 3), 90, np.uint8))
    annotation = Annotation(shapes, height, width, f"{name}.png", **more)
    write_annotation(folder / f"{name}.json", annotation)
    annotation.path = folder / f"{name}.json"
    return annotation


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    write_image(folder / "big.png", np.zeros((50, 60, 3), np.uint8))
    return folder


def test_sizes_counts_and_oddities(tmp_path, images):
    shapes = [square(5 + 24 * k, 5, 20, f"A{k + 1}") for k in range(4)]
    shapes += [square(5, 40, 50, "A5"), square(60, 40, 20, "B1"), square(110, 80, 11, "B2")]
    save(tmp_path / "in", shapes)
    findings = preflight.look(tmp_path / "in", images, ClassChoice([*CLASSES, "C"]))
    assert findings.problems == [] and findings.counts == {"A": 5, "B": 2, "C": 0}
    said = "\n".join(preflight.report(findings))
    diameter = 20 * np.sqrt(4 / np.pi)
    assert (
        f"A: 5 outlined; diameter {diameter:.1f} pixels (median), smallest {diameter:.1f}" in said
    )
    assert "A: 5 outlined" in said and "largest 56.4" in said and "C: none outlined" in said
    assert "a.json: A5: diameter 56.4" in said and "molecules of unusual size: 1" in said
    assert "a.json: B2, by 1.0 pixels" in said and "leave the image: 1" in said
    assert "C: no molecule is outlined" in said and "B: only 2 outlined" in said


def test_overlapping_outlines(tmp_path, images):
    shapes = [square(10, 10, 20, "A1"), square(20, 10, 20, "A2"), square(20, 11, 20, "B1")]
    shapes += [square(30, 31, 20, "B2"), square(70, 10, 20, "B3")]
    found = preflight.overlaps(save(tmp_path, shapes))
    assert [line.split(": ")[1] for line in found] == [
        "A1 and A2, IoU 0.33",
        "A1 and B1, IoU 0.31",
        "A2 and B1, IoU 0.90; one molecule outlined twice?",
    ]
    assert preflight.overlaps(save(tmp_path, [])) == []


def test_imbalance_is_said(tmp_path, images):
    shapes = [square(5 + 10 * k, 5, 8, f"A{k}") for k in range(10)] + [square(50, 50, 8, "B1")]
    save(tmp_path / "in", shapes)
    said = preflight.report(preflight.look(tmp_path / "in", images, ClassChoice(CLASSES)))
    assert "  B: 10 times fewer than the most frequent class" in said


def test_problems_are_reported_together_and_copies_are_left_out(tmp_path, images):
    folder = tmp_path / "in"
    save(folder, [square(5, 5, 20)], "good")
    save(folder, [square(5, 5, 20, "X1"), square(500, 5, 20, "A2")], "wrong")
    save(folder, [square(5, 5, 20)], "gone").path.with_suffix(".png").unlink()
    save(folder, [square(5, 5, 20, "Y")], "copy", extra={"derived": {"step": "geo"}})
    (folder / "text.json").write_text("hello")
    (images / "big.png").unlink()
    findings = preflight.look(folder, images, ClassChoice(["A", "A 1"]))
    said = "\n".join(findings.problems)
    for part in ("collide", "'X1'", "out of the image", "gone.json", "text.json", "recognise"):
        assert part in said
    assert len(findings.problems) == 6 and len(findings.sizes) == 1 and "copy.json" not in said


def test_images_that_cannot_be_recognised_are_a_hint(tmp_path, images):
    save(tmp_path / "in", [square(5, 5, 20)])
    (images / "broken.png").write_bytes(b"")
    findings = preflight.look(tmp_path / "in", images, ClassChoice(CLASSES))
    assert findings.problems == [] and findings.to_recognise == 2
    assert "broken.png" in "\n".join(preflight.report(findings))


def test_the_check_starts_nothing(tmp_path, images, capsys):
    save(tmp_path / "in", [square(5, 5, 20)])
    before = contents(tmp_path)
    folders = {
        name: tmp_path / "none" / name
        for name in ("copies_dir", "cache_dir", "dataset_dir", "log_dir", "out_dir")
    }
    settings = {"source_dir": tmp_path / "in", "images_dir": images, "recipe": "cpu"}
    status = workflow.main(**folders, **settings, class_names=CLASSES, check=True)
    assert status == 0 and contents(tmp_path) == before
    said = capsys.readouterr().out
    assert "estimated time: data steps about" in said and "training about" in said
    assert (
        "estimated disk" in said
        and f"estimated memory: {time_memory_disk.TRAINING_GIGABYTES:.1f} GB" in said
    )
    with pytest.raises(InputError, match="'A1' belongs to no known class"):
        workflow.main(**folders, **settings, class_names=["B"], check=True)
    assert contents(tmp_path) == before


def test_the_estimate_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(time_memory_disk, "worker_count", lambda workers: workers or 2)
    one = time_memory_disk.estimate([(320, 320)], 4032, 600, tmp_path / "not yet", speed=1.0)
    assert one.data_minutes == pytest.approx(4032 * 0.021 / 2 / 60)
    assert one.training_minutes == pytest.approx((20 + 600 * 0.756) / 60)
    assert one.disk_gb == pytest.approx(0.8064) and one.copies == 4032 and one.free_gb > 0
    assert one.minutes == one.data_minutes + one.training_minutes
    # Twice the area, twice the speed: the data steps take as long, training half.
    two = time_memory_disk.estimate([(320, 640)], 4032, 600, tmp_path, speed=2.0)
    assert two.data_minutes == pytest.approx(one.data_minutes)
    assert two.training_minutes == pytest.approx(one.training_minutes / 2)
    # One process: twice as long.
    alone = time_memory_disk.estimate([(320, 320)], 4032, 600, tmp_path, workers=1, speed=1.0)
    assert alone.data_minutes == pytest.approx(2 * one.data_minutes)
    bfloat16 = time_memory_disk.estimate(
        [(320, 320)], 0, 600, tmp_path, speed=1.0, dtype="mixed_bfloat16"
    )
    assert bfloat16.training_minutes == pytest.approx((20 + 600 * 0.344) / 60)
    unknown = time_memory_disk.estimate([(320, 320)], 4032, None, tmp_path, speed=1.0)
    assert unknown.minutes is None and "was not measured" in "\n".join(
        time_memory_disk.lines(unknown)
    )


def test_the_step_that_was_measured():
    """1000 steps took 4.6 minutes on the machine of 1.33, idle; the demo's data steps half a
    minute."""
    found = time_memory_disk.estimate(
        [(320, 320)], 4032, 1000, Path(), speed=1.33, dtype="mixed_bfloat16"
    )
    assert 4.6 / 1.5 < found.training_minutes < 4.6 * 1.5
    # Without AVX-512, a machine of 0.9: 350 steps took 5.3 minutes, in float32.
    older = time_memory_disk.estimate([(320, 320)], 0, 350, Path(), speed=0.9)
    assert 5.3 / 1.2 < older.training_minutes < 5.3 * 1.2
    assert found.data_minutes < 31 / 60 * 1.5 * 2


def test_a_busy_machine_is_not_taken_for_a_slow_one(monkeypatch):
    """The clock that other programs disturb says a hundredth; the processor's own time does not."""
    alone, wall = time_memory_disk.machine_speed(0.1), time_memory_disk.time.perf_counter
    monkeypatch.setattr(time_memory_disk.time, "perf_counter", lambda: 100 * wall())
    busy = time_memory_disk.machine_speed(10)
    assert alone > 0 and busy > alone / 3
    monkeypatch.setattr(time_memory_disk.os, "getloadavg", lambda: (99.0, 0, 0), raising=False)
    estimate = time_memory_disk.estimate([(9, 9)], 0, 10, Path(), speed=1.0)
    assert "as now)" in time_memory_disk.lines(estimate)[0]
    monkeypatch.setattr(time_memory_disk.os, "getloadavg", lambda: (0.1, 0, 0), raising=False)
    assert "as now" not in time_memory_disk.lines(estimate)[0]


def test_what_the_weights_take_is_told(monkeypatch):
    light, paper = train_test.LightConfig, train_test.ShapesConfig
    # Four files of 24.9 MB and two states of twice that; two files stay.
    assert run_folder_gigabytes(light, 20, "best") == pytest.approx((8 * 0.0249, 2 * 0.0249))
    assert run_folder_gigabytes(light, 20, "all") == pytest.approx((24 * 0.0249, 20 * 0.0249))
    assert run_folder_gigabytes(paper, 2, "best") == pytest.approx((4 * 0.179, 2 * 0.179))
    monkeypatch.setattr(light, "BACKBONE", "resnet34")
    assert run_folder_gigabytes(light, 20, "best") == (0, 0)
    found = replace(
        time_memory_disk.estimate([(9, 9)], 0, 10, Path(), speed=1.0), weights_gb=0.5, stays_gb=0.1
    )
    assert (
        "500 MB for weights while it trains, 100 MB of it remain; free: "
        in time_memory_disk.lines(found)[1]
    )
    monkeypatch.setattr(time_memory_disk, "free_gigabytes", lambda _: 0.4)
    (problem,) = disk_problems(found, Path("before"), Path("logs"))
    assert problem.startswith("logs: the weights need about 0.5 GB") and "engine.clean" in problem
    assert disk_problems(replace(found, weights_gb=0.3), Path("before"), Path("logs")) == []


def test_nothing_is_promised_for_networks_that_were_not_measured(monkeypatch):
    monkeypatch.setattr("engine.recipes.has_accelerator", lambda: False)
    given, estimate = [], time_memory_disk.estimate

    def noted(sizes, copies, steps, *more, **named):
        given.append(steps)
        return estimate(sizes, copies, steps, *more, speed=1.0, **named)

    monkeypatch.setattr(time_memory_disk, "estimate", noted)
    findings = SimpleNamespace(sizes=[(9, 9)])

    def steps(**settings):
        training = train_test.Training().replace(**{"init_with": "none"} | settings)
        expected_costs(findings, Path(), 1, training, 0, train_test.recipes())
        return given[-1]

    assert steps(epochs=3, steps_per_epoch=7) == 21 and steps() > 100
    assert steps(recipe="gpu") is None and steps(init_with="coco") is None
    monkeypatch.setattr("engine.recipes.has_accelerator", lambda: True)
    assert steps() is None and steps(recipe="cpu") > 100


def l_shapes(seed=3):
    """A grey noisy image with 20 L-shaped molecules in all directions, and their outlines."""
    rng = np.random.default_rng(seed)
    corners = np.array([(-9, -9), (-2, -9), (-2, 2), (9, 2), (9, 9), (-9, 9)], float)
    image = rng.normal(70, 6, (200, 250))
    outlines = []
    for row in range(4):
        for column in range(5):
            angle = rng.uniform(0, 2 * np.pi)
            turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
            points = corners @ turn + (29 + 48 * column, 28 + 48 * row)
            mask = np.zeros(image.shape, np.uint8)
            cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
            image += 90 * mask
            outlines.append(points)
    grey = np.clip(cv2.GaussianBlur(image, (0, 0), 1), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2), outlines


def test_forgotten_molecules_are_seen_and_nothing_else():
    image, outlines = l_shapes()
    assert find_unlabelled(image, outlines, ["A"] * 20) == []
    forgotten = [2, 7, 13]
    kept = [points for k, points in enumerate(outlines) if k not in forgotten]
    found = find_unlabelled(image, kept, ["A"] * 17)
    places = sorted((round(p.x / 48), round(p.y / 48)) for p in found)
    centres = [(29 + 48 * (k % 5), 28 + 48 * (k // 5)) for k in forgotten]
    assert len(places) == 3
    for place in found:
        assert min(np.hypot(place.x - x, place.y - y) for x, y in centres) < 5


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_molecules_say_nothing(count):
    image, outlines = l_shapes()
    assert find_unlabelled(image, outlines[:count], ["A"] * count) == []
    flat = np.zeros_like(image)
    assert find_unlabelled(flat, outlines, ["A"] * 20) == []
    assert find_unlabelled(flat[:9, :9], outlines[:5], ["A"] * 5) == []


def test_the_demo_is_fully_outlined_and_a_forgotten_one_is_seen():
    annotation = read_annotation(ROOT / "aug_test_in" / "00-cut.json")
    image = annotation.read_image()
    outlines = [outline(shape) for shape in annotation.shapes]
    names = [shape.label[:4] for shape in annotation.shapes]
    assert find_unlabelled(image, outlines, names) == []
    forgotten = outlines.pop(12)
    [place] = find_unlabelled(image, outlines, names[:12] + names[13:])
    assert np.hypot(*(forgotten.mean(axis=0) - (place.x, place.y))) < 10


def check(tmp_path, images, **settings):
    folders = {
        name: tmp_path / "none" / name
        for name in ("copies_dir", "cache_dir", "dataset_dir", "out_dir")
    }
    own = {"source_dir": tmp_path / "in", "images_dir": images, "recipe": "cpu", "check": True}
    return workflow.main(**folders, **{"log_dir": tmp_path / "logs"} | own | settings)


def test_the_labels_name_the_classes(tmp_path, images, capsys):
    shapes = [square(5 + 12 * k, 5, 9, f"003a{k + 1}") for k in range(8)]
    shapes += [square(5 + 12 * (k % 9), 25 + 12 * (k // 9), 9, f"020a{k + 1}") for k in range(13)]
    save(tmp_path / "in", [*shapes, square(5, 60, 9, "O20a1")])
    assert check(tmp_path, images) == 0
    said = capsys.readouterr().out
    assert "Classes from the labels: 003a (8), 020a (13), O20a (1)\n" in said
    assert "020a (13), O20a (1): a typing error? Each of them is taken as a class" in said
    assert "O20a: 1 outlined" in said and "1 of 1 annotated image can be used, 1 image to" in said
    with pytest.raises(InputError, match="'O20a1'\\) has an unknown label: .* mean 020a"):
        check(tmp_path, images, class_names=["003a,020a"])


def test_a_start_asks_about_a_slip_and_goes_on(tmp_path, images, capsys, monkeypatch):
    shapes = [square(5 + 12 * k, 5, 9, f"tetramer{k + 1}") for k in range(8)]
    save(tmp_path / "in", [*shapes, square(5, 60, 9, "tetamer9")])
    given = []

    def train(**settings):
        given.append(settings["class_names"])
        raise InputError("far enough")

    monkeypatch.setattr(train_test, "train_main", train)
    with pytest.raises(InputError, match="far enough"):
        check(tmp_path, images, check=False, augment="online")
    assert given == [["tetamer", "tetramer"]]
    assert "tetramer (8), tetamer (1): a typing error?" in capsys.readouterr().out


def test_numbers_alone_name_no_class(tmp_path, images):
    save(tmp_path / "in", [square(5 + 12 * k, 5, 9, f"{k + 1}") for k in range(8)])
    with pytest.raises(InputError, match="numbers alone .1, 2, 3 and 5 more. and name no class"):
        check(tmp_path, images)
    assert check(tmp_path, images, class_names=["1"] + [str(k) for k in range(2, 9)]) == 0


def test_names_of_the_labels_that_collide(tmp_path, images):
    save(tmp_path / "in", [square(5, 5, 9, "C5"), square(25, 5, 9, "C60-1")])
    with pytest.raises(InputError, match="class names 'C' and 'C60' collide"):
        check(tmp_path, images)


def test_many_equal_problems_are_one_sentence(tmp_path, images, capsys):
    save(tmp_path / "in", [square(5 + 5 * k, 5, 4, f"003a{k + 1}") for k in range(22)])
    with pytest.raises(InputError) as error:
        check(tmp_path, images, class_names=["A"])
    (line,) = str(error.value).splitlines()
    assert "'003a1', '003a2', '003a3' and 19 more belong to no known class (A)" in line
    said = capsys.readouterr().out
    assert "nothing unusual" not in said and "0 of 1 annotated image can be used" in said
    assert "1 problem to correct" in said
    for k in range(7):
        save(tmp_path / "in", [square(5, 5, 9)], f"gone{k}").path.with_suffix(".png").unlink()
    with pytest.raises(InputError) as error:
        check(tmp_path, images, class_names=["A"])
    first, second = str(error.value).splitlines()
    assert "gone0.json" in second and "(6 more like it in gone1.json, gone2.json" in second
    assert "and 3 more)" in second


def test_problems_of_other_kinds_are_not_folded():
    few = [f"in/{k}.json: its image 'x{k}.png' is not beside it." for k in range(3)]
    assert preflight.folded([*few, "a.json: is empty.", "no class."]) == [
        *few, "a.json: is empty.", "no class.",
    ]  # fmt: skip
    alike = [f"a.json: shape {k} ('A{k}') crosses itself; draw it again." for k in range(1, 7)]
    assert preflight.folded(alike) == [
        "a.json: shape 1 ('A1') crosses itself; draw it again (5 more like it in a.json)."
    ]


def test_last_weights_that_are_missing_or_of_other_classes(tmp_path, images, monkeypatch):
    save(tmp_path / "in", [square(5 + 12 * k, 5, 9, f"A{k + 1}") for k in range(8)])
    with pytest.raises(InputError, match="there are no trained weights"):
        check(tmp_path, images, init_with="last")
    weights = tmp_path / "logs/shapes20260101T0000/mask_rcnn_shapes_0001.h5"
    weights.parent.mkdir(parents=True)
    known = {"class_names": ["B", "A"], "scale": 1.0, "config": {}, "score_threshold": 0.5}
    with h5py.File(weights, "w") as file:
        for key, value in known.items():
            file.attrs[key] = json.dumps(value)
    assert check(tmp_path, images, init_with="last") == 0
    with pytest.raises(InputError, match="was trained for B, A, but class_names are A"):
        check(tmp_path, images, init_with="last", class_names=["A"])
    save(tmp_path / "in", [square(5, 60, 9, "C1")], "more")
    with pytest.raises(InputError, match=r"'C1' belongs to no known class \(B, A\)"):
        check(tmp_path, images, init_with="last")
