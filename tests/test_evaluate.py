"""evaluate.py: from annotation files to tables and figures, and what it says to bad input."""

import csv
import json

import numpy as np
import pytest

import evaluate
from mrcnn.weights import save_weights
from spm.errors import InputError
from spm.evaluation import figures
from spm.evaluation.confusion import Outcomes
from spm.evaluation.curves import AR_THRESHOLDS, precision_recall
from spm.evaluation.instances import from_annotation
from spm.evaluation.metrics import ALL
from spm.io.images import read_image, write_image
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.shape import Shape

HEIGHT, WIDTH = 40, 60


def polygon(label, left, top, side=10, **fields):
    """A square of `side` pixels."""
    corners = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    return Shape(label=label, points=np.array(corners, float), **fields)


def predicted(label, left, top, score, **fields):
    return polygon(label, left, top, extra={"score": score}, **fields)


def write(path, shapes, height=HEIGHT, width=WIDTH, **fields):
    annotation = Annotation(shapes, height, width, path.name.replace(".json", ".png"), **fields)
    write_annotation(path, annotation)


@pytest.fixture
def folders(tmp_path):
    """Two images with truth, the second empty, and their predictions."""
    truth, found = tmp_path / "真值 [1]", tmp_path / "预测 (2)"
    truth.mkdir()
    found.mkdir()
    for name in ("a (15)", "b"):
        write_image(truth / f"{name}.png", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    shapes = [
        polygon("003a1", 0, 0),
        polygon("003a2", 20, 0),
        polygon("020a1", 40, 0),
        polygon("020a2", 50, 30, flags={"edge": True}),
    ]
    write(truth / "a (15).json", shapes)
    write(truth / "b.json", [])
    shapes = [
        predicted("003a1", 0, 0, 0.9),
        predicted("020a1", 20, 0, 0.8),
        predicted("020a2", 40, 0, 0.7),
        predicted("020a3", 50, 30, 0.6),
    ]
    write(found / "a (15)_predicted.json", shapes)
    write(found / "b_predicted.json", [predicted("003a1", 5, 5, 0.55)])
    return truth, found, tmp_path / "out put"


def test_numbers_tables_and_figures(folders, capsys):
    truth, found, out = folders
    numbers = evaluate.main(truth=truth, predicted=found, out=out, classes=["003a", "020a"])
    for kind in ("mask", "box"):
        a, b = (numbers[kind]["per_class"][name] for name in ("003a", "020a"))
        assert (a["true_positives"], a["false_positives"], a["missed"]) == (1, 1, 1)
        # The one at the border is ignored, the one on molecule A is false.
        assert (b["true_positives"], b["false_positives"], b["missed"]) == (1, 1, 0)
        assert (b["truths"], b["ignored"]) == (1, 1)
        assert numbers[kind]["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
        overall = numbers[kind]["per_class"][ALL]
        assert overall["recognition_rate"] == pytest.approx(2 / 3)
        assert overall["mean_iou"] == 1
        # A: right, false of 2 truths; B: false, right of 1 truth.
        assert a["ap50"] == pytest.approx(51 / 101)
        assert b["ap50"] == pytest.approx(1 / 2)
    assert json.loads((out / "metrics.json").read_text("utf-8"))["images"] == 2
    with (out / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["kind"], row["class"]): row for row in csv.DictReader(file)}
    assert rows["mask", "003a"]["recall"] == "0.5"
    assert len(rows) == 6
    for name in ("precision_recall", "recall_iou", "confusion"):
        for kind in ("mask", "box"):
            for suffix in ("png", "svg", "csv"):
                assert (out / f"{name}_{kind}.{suffix}").stat().st_size > 0
    assert read_image(out / "images" / "a (15).png").shape[1] > 1000
    assert (out / "images" / "b.svg").is_file()
    assert "recognised" in capsys.readouterr().out


def test_paper_protocol_takes_the_exact_area(folders):
    truth, found, out = folders
    settings = {"truth": truth, "predicted": found, "out": out, "classes": ["003a", "020a"]}
    numbers = evaluate.main(**settings, protocol="paper", figures=False)
    assert numbers["mask"]["per_class"]["003a"]["ap50"] == pytest.approx(1 / 2)
    assert numbers["mask"]["per_class"][ALL]["ap50"] == pytest.approx(1 / 2)
    assert not list(out.glob("**/*.png"))


def test_flags_to_ignore_can_be_chosen(folders):
    truth, found, out = folders
    settings = {"truth": truth, "predicted": found, "out": out, "figures": False}
    numbers = evaluate.main(**settings, ignore_flags=[])
    assert numbers["mask"]["per_class"]["020a"]["true_positives"] == 2


def weights_file(path, class_names, threshold):
    """A weights file as far as evaluation looks into it."""
    said = {"class_names": class_names, "scale": 1.0, "score_threshold": threshold,
            "config": {"BACKBONE": "resnet18"}}  # fmt: skip
    save_weights(path, [], said)
    return path


def test_weights_predict_the_images_first(folders, monkeypatch, capsys):
    truth, found, out = folders
    weights = weights_file(out.parent / "w.h5", ["003a", "020a"], 0.65)
    calls = []

    def predict(plan, files):
        assert not plan.tile_images and plan.settings.tile_scale is None
        assert plan.class_names is None
        calls.append(([p.name for p in files], plan.weights, plan.settings.score_threshold))
        for path in files:
            assert read_image(path).shape == (HEIGHT, WIDTH, 3)
            name = f"{path.stem}_predicted.json"
            (plan.out_dir / name).write_bytes((found / name).read_bytes())
        return 0

    monkeypatch.setattr("engine.evaluate.predict_images", predict)
    numbers = evaluate.main(truth=truth, weights=weights, out=out, figures=False)
    assert numbers["score_threshold"] == 0.65
    assert numbers["mask"]["per_class"]["003a"]["false_positives"] == 0
    assert calls == [(["a (15).png", "b.png"], weights, evaluate.Evaluation.lowest_score)]
    assert numbers["class_names"] == ["003a", "020a"]
    assert "guessed" not in capsys.readouterr().err


def test_image_without_truth_or_prediction_pitfall_16(folders, capsys):
    """pitfall 16: nothing labelled and nothing predicted are results, not crashes."""
    truth, found, out = folders
    write(truth / "a (15).json", [])
    write(found / "a (15)_predicted.json", [])
    write(found / "b_predicted.json", [])
    numbers = evaluate.main(truth=truth, predicted=found, out=out, figures=False)
    assert numbers["mask"]["per_class"][ALL]["truths"] == 0
    saved = json.loads((out / "metrics.json").read_text("utf-8"))
    assert saved["mask"]["per_class"][ALL]["ap"] is None
    told = capsys.readouterr().err
    assert "no molecule is labelled" in told and "nothing is predicted" in told


def test_predictions_in_the_folder_of_the_truths(folders):
    """A truth NAME.json must not be taken for its own prediction."""
    truth, found, out = folders
    with pytest.raises(InputError, match="2 of 2 labelled images have no prediction"):
        evaluate.main(truth=truth, predicted=truth, out=out)
    for path in found.iterdir():
        (truth / path.name).write_bytes(path.read_bytes())
    assert evaluate.main(truth=truth, predicted=truth, out=out, figures=False)["images"] == 2


def test_unlisted_classes_are_refused_or_ignored(folders):
    truth, found, out = folders
    settings = {
        "truth": truth,
        "predicted": found,
        "out": out,
        "classes": ["003a"],
        "figures": False,
    }
    with pytest.raises(InputError, match=r"020a1.*no known class \(003a\)"):
        evaluate.main(**settings)
    with pytest.raises(InputError) as error:
        evaluate.main(**{**settings, "classes": ["zinc"]})
    # One line a file, however many molecules it has.
    assert len(str(error.value).splitlines()) == 3
    numbers = evaluate.main(**settings, ignore_unlisted=True)
    row = numbers["mask"]["per_class"]["003a"]
    assert (row["truths"], row["true_positives"], row["false_positives"]) == (2, 1, 1)


def test_other_classes_are_told_before_predicting(folders, monkeypatch):
    truth, _, out = folders
    weights = weights_file(out.parent / "w.h5", ["003a", "rod"], 0.5)

    def predict(*_):
        raise AssertionError("minutes are spent on a prediction that cannot be evaluated")

    monkeypatch.setattr("engine.evaluate.predict_images", predict)
    with pytest.raises(
        InputError, match=r"a \(15\)\.json: label '020a1' and 1 more .* \(003a, rod\)"
    ):
        evaluate.main(truth=truth, weights=weights, out=out)


def test_names_that_only_predictions_have_are_mentioned(folders, capsys):
    truth, found, out = folders
    write(found / "b_predicted.json", [predicted("zinc1", 5, 5, 0.55)])
    numbers = evaluate.main(truth=truth, predicted=found, out=out, figures=False)
    assert "labelled nowhere: zinc;" in capsys.readouterr().err
    assert np.isnan(numbers["mask"]["per_class"]["zinc"]["ap50"])
    assert numbers["mask"]["per_class"]["zinc"]["false_positives"] == 1
    # Its AP does not exist and does not enter the mean.
    expected = np.mean([numbers["mask"]["per_class"][c]["ap50"] for c in ("003a", "020a")])
    assert numbers["mask"]["per_class"][ALL]["ap50"] == pytest.approx(expected)


def test_wrong_input_is_named(folders, tmp_path):
    truth, found, out = folders
    cases = [
        ({}, "--truth FOLDER"),
        ({"truth": truth}, "either --weights"),
        ({"truth": truth, "weights": found, "predicted": found}, "not both"),
        ({"truth": truth, "weights": tmp_path / "none.h5"}, "no such weights file"),
        ({"truth": tmp_path / "none", "predicted": found}, "no such folder"),
        ({"truth": out, "predicted": found}, "no labelled image"),
        ({"truth": truth, "predicted": tmp_path / "none"}, "no such folder of predictions"),
        ({"truth": truth, "predicted": found, "protocol": "voc"}, "'coco' or 'paper'"),
        ({"truth": truth, "predicted": found, "iou": 0.0}, "iou must be"),
        ({"truth": truth, "predicted": found, "score_threshold": 1.5}, "score_threshold must be"),
        ({"truth": truth, "predicted": found, "classes": ["a", "a"]}, "twice"),
    ]
    out.mkdir()
    for settings, message in cases:
        with pytest.raises(InputError, match=message):
            evaluate.main(**{"out": tmp_path / "o"} | settings)


def test_other_size_and_missing_prediction_are_named(folders):
    truth, found, out = folders
    write(found / "b_predicted.json", [], height=HEIGHT + 1)
    with pytest.raises(InputError, match="60 x 41 pixels, but b.json is for 60 x 40"):
        evaluate.main(truth=truth, predicted=found, out=out)
    (found / "b_predicted.json").unlink()
    with pytest.raises(InputError, match=r"1 of 2 .* \(b\)"):
        evaluate.main(truth=truth, predicted=found, out=out)


def test_a_predicted_point_is_no_area(folders):
    truth, found, out = folders
    point = Shape("003a1", np.array([[3.0, 3.0]]), shape_type="point", extra={"score": 0.5})
    write(found / "b_predicted.json", [point])
    with pytest.raises(InputError, match="'003a1' is not the outline of an area"):
        evaluate.main(truth=truth, predicted=found, out=out)


def test_broken_weights_are_named(folders):
    truth, _, out = folders
    weights = out.parent / "broken.h5"
    weights.write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="broken.h5"):
        evaluate.main(truth=truth, weights=weights, out=out)


def test_command_line_gives_one_sentence(folders, monkeypatch, capsys):
    truth, _, out = folders
    with pytest.raises(SystemExit) as stopped:
        evaluate.command_line.run(evaluate.main, ["--truth", str(truth)])
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("error: give either") and told.count("\n") == 1


def test_classes_are_guessed_from_labels():
    labels = ["003a1", "003a12", "molecule A-3", "molecule A 4", "13", "rod", "13-2"]
    shapes = [polygon(label, 0, 0) for label in labels]
    guessed = list(Classes.from_labels(shape.label for shape in shapes))
    assert guessed == ["003a", "13", "molecule A", "rod"]


def test_mask_shape_keeps_its_hole():
    mask = np.ones((6, 6), bool)
    mask[2:4, 2:4] = False
    shape = Shape("a1", np.array([[10.0, 20.0], [15.0, 25.0]]), "mask", mask=mask)
    (truth,) = from_annotation(Annotation([shape], HEIGHT, WIDTH, "x.png").classified(["a"]))
    assert truth.area == 32
    np.testing.assert_array_equal(truth.box, [20, 10, 26, 16])


def test_real_annotation_agrees_with_itself(shared_data, tmp_path):
    stm = shared_data / "stm"
    found = copy_as_prediction(stm, tmp_path)
    numbers = evaluate.main(truth=stm, predicted=found, out=tmp_path, figures=False)
    overall = numbers["mask"]["per_class"][ALL]
    assert numbers["class_names"] == ["003a", "020a"]
    assert overall["truths"] == 22
    assert overall["ap"] == overall["recognition_rate"] == overall["ar_area"] == 1


def copy_as_prediction(stm, folder):
    (folder / "00-cut_predicted.json").write_bytes((stm / "00-cut.json").read_bytes())
    return folder


# --- figures ---------------------------------------------------------------------------------


def test_figures_of_nothing(tmp_path):
    nothing = precision_recall([], [], 0)
    no_prediction = precision_recall([], [], 3)
    curves = {"a": nothing, "b": no_prediction}
    areas = {"a": float("nan"), "b": 0.0}
    recalls = {"a": np.full(len(AR_THRESHOLDS), np.nan)}
    image = np.zeros((20, 30, 3), np.uint8)
    made = [
        figures.precision_recall_figure(curves, areas),
        figures.recall_iou_figure(AR_THRESHOLDS, recalls, areas),
        figures.confusion_figure(np.zeros((1, 1), int), []),
        figures.judged_figure(image, Outcomes([], [], [])),
    ]
    for k, figure in enumerate(made):
        for path in figures.save(figure, tmp_path / f"图 {k}.1"):
            assert path.stat().st_size > 0
    assert (tmp_path / "图 3.1.svg").is_file()


def test_figures_are_the_same_each_time_and_leave_no_setting(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    curve = precision_recall([0.9, 0.8, 0.7], [1, 0, 1], 3)
    for name in ("first", "second"):
        figures.save(figures.precision_recall_figure({"a_1": curve}, {"a_1": 0.5}), tmp_path / name)
    for suffix in ("png", "svg"):
        first, second = (tmp_path / f"{n}.{suffix}" for n in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    assert dict(matplotlib.rcParams) == before


def test_many_classes_have_distinct_lines():
    curve = precision_recall([0.9], [1], 2)
    curves = {f"class {k}": curve for k in range(20)}
    figure = figures.precision_recall_figure(curves, dict.fromkeys(curves, 0.5))
    lines = [line for line in figure.axes[0].get_lines() if line.get_label().startswith("class")]
    looks = {(line.get_color(), line.get_linestyle(), str(line._dash_pattern)) for line in lines}
    assert len(lines) == len(looks) == 20
