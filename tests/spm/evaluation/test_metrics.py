"""Metrics: worked-out cases, the empty ones, and agreement with pycocotools."""

import contextlib
import io
import math

import numpy as np
import pytest

from spm.evaluation.confusion import FALSE, IGNORED, RIGHT, WRONG_CLASS, confusion_matrix, judge
from spm.evaluation.curves import (
    AR_THRESHOLDS,
    COCO_THRESHOLDS,
    area_under,
    precision_recall,
    twice_area,
)
from spm.evaluation.instances import Instance
from spm.evaluation.matching import UNMATCHED, find_overlaps, match
from spm.evaluation.metrics import (
    ALL,
    Comparison,
    average_precision,
    average_precisions,
    measure,
    summary,
)  # fmt: skip

SIZE = 24


def square(class_name, top, left, side=10, height=60, width=60, **fields):
    """A square of pixels."""
    mask = np.zeros((height, width), bool)
    mask[top : top + side, left : left + side] = True
    return Instance.from_mask(class_name, mask, **fields)


# --- instances -------------------------------------------------------------------------------


def test_instance_of_a_polygon_is_cropped_and_cut_at_the_border():
    # 4 x 3 pixels, of which a column lies left of the image.
    polygon = np.array([[-1.0, 2.0], [3.0, 2.0], [3.0, 5.0], [-1.0, 5.0]])
    instance = Instance.from_polygon("a", polygon, height=20, width=30)
    np.testing.assert_array_equal(instance.box, [2, 0, 5, 3])
    assert instance.mask.pixels.shape == (3, 3)
    assert instance.area == 9
    assert instance.outline is not None


def test_instance_without_a_pixel_is_empty_and_overlaps_nothing():
    empty = Instance.from_polygon("a", [[50.0, 50], [60, 50], [60, 60]], height=20, width=20)
    assert empty.area == 0
    whole = square("a", 0, 0, side=20, height=20, width=20)
    for kind in ("mask", "box"):
        assert len(find_overlaps([whole], [empty], kind).overlap) == 0
    assert average_precision([[whole]], [[empty]]) == 0


# --- matching --------------------------------------------------------------------------------


def test_overlap_of_shifted_squares():
    # 10 x 10 against the same moved by 5 columns: 50 shared of 150.
    for kind in ("mask", "box"):
        found = find_overlaps([square("a", 0, 0)], [square("a", 0, 5)], kind)
        np.testing.assert_allclose(found.overlap, [1 / 3])


def test_boxes_touch_but_masks_do_not():
    upper, lower = np.triu(np.ones((10, 10), bool), 1), np.tril(np.ones((10, 10), bool))
    truth, prediction = Instance.from_mask("a", upper), Instance.from_mask("a", lower)
    assert len(find_overlaps([truth], [prediction], "mask").overlap) == 0
    assert len(find_overlaps([truth], [prediction], "box").overlap) == 1


def test_masks_are_compared_only_where_there_are_some():
    box = Instance("a", np.array([0.0, 0, 10, 10]))
    assert average_precision([[box]], [[box]], kind="box") == 1
    with pytest.raises(ValueError, match="without a mask"):
        average_precision([[box]], [[box]], kind="mask")
    with pytest.raises(ValueError, match="Received: 'polygon'"):
        average_precision([[box]], [[box]], kind="polygon")


def test_one_truth_is_claimed_once_pitfall_16():
    """pitfall 16: three detections of one molecule are one right and two false ones."""
    truth = [square("a", 0, 0)]
    predictions = [square("a", 0, k, score=0.9 - k / 10) for k in range(3)]
    overlaps = find_overlaps(truth, predictions)
    matches, _ = match(overlaps, [p.score for p in predictions], np.array([False]), 0.5)
    np.testing.assert_array_equal(matches, [0, UNMATCHED, UNMATCHED])
    row = summary([truth], [predictions])["mask"]["per_class"]["a"]
    assert (row["true_positives"], row["false_positives"], row["missed"]) == (1, 2, 0)
    assert row["recall"] == 1
    assert row["precision"] == pytest.approx(1 / 3)


def test_a_prediction_takes_the_next_best_truth_when_the_best_is_gone():
    truths = [square("a", 0, 0), square("a", 0, 2)]
    predictions = [square("a", 0, 0, score=0.9), square("a", 0, 0, score=0.8)]
    matches, values = match(find_overlaps(truths, predictions), [0.9, 0.8], np.zeros(2, bool), 0.5)
    np.testing.assert_array_equal(matches, [0, 1])
    np.testing.assert_allclose(values, [1, 80 / 120])


def test_of_two_equal_overlaps_the_later_truth_is_claimed():
    """As in pycocotools; it decides what is left for the next prediction."""
    truths = [square("a", 0, 0), square("a", 0, 4)]
    between = square("a", 0, 2)
    matches, values = match(find_overlaps(truths, [between]), [0.9], np.zeros(2, bool), 0.5)
    np.testing.assert_array_equal(matches, [1])
    np.testing.assert_allclose(values, [80 / 120])


def test_ignored_truth_is_neither_found_nor_missed():
    truths = [[square("a", 0, 0), square("a", 30, 30, ignore=True)]]
    alone = [[square("a", 0, 0, score=0.5)]]
    several = [[*alone[0], square("a", 30, 30, score=0.9), square("a", 31, 31, side=8, score=0.8)]]
    for predictions in (alone, several):
        row = summary(truths, predictions)["mask"]["per_class"]["a"]
        assert (row["truths"], row["ignored"]) == (1, 1)
        assert (row["true_positives"], row["false_positives"], row["missed"]) == (1, 0, 0)
        assert row["ap"] == 1


def test_ignored_truth_without_a_class_forgives_every_class():
    truths = [[square("a", 0, 0), square(None, 30, 30, ignore=True)]]
    predictions = [[square("a", 0, 0), square("b", 30, 30)]]
    result = summary(truths, predictions)["mask"]
    assert result["per_class"]["b"]["false_positives"] == 0
    assert np.sum(result["confusion"]) == 1


# --- curves ----------------------------------------------------------------------------------


def test_curve_worked_out_by_hand_pitfall_16():
    """pitfall 16: the interpolation is the highest precision at any recall at least as high."""
    # Right, false, right, right, false; 4 truths.
    curve = precision_recall([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 1, 1, 0], truths=4)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 3 / 4, 3 / 5])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 4, 2 / 4, 3 / 4, 3 / 4])
    np.testing.assert_allclose(curve.envelope, [1, 3 / 4, 3 / 4, 3 / 4, 3 / 5])
    # Exact area: 1/4 at precision 1, 2/4 at 3/4.
    assert area_under(curve, "paper") == pytest.approx(1 / 4 + 2 / 4 * 3 / 4)
    # 101 points: recall 0..0.25 are 26 points at 1; 0.26..0.75 are 50 points at 3/4.
    assert area_under(curve, "coco") == pytest.approx((26 + 50 * 3 / 4) / 101)


def test_scores_of_all_images_are_ranked_together():
    truths = [[square("a", 0, 0)], [square("a", 0, 0)]]
    predictions = [[square("a", 0, 0, score=0.3)], [square("a", 40, 40, score=0.9)]]
    # The false one of the second image comes first: precision 0, then 1/2 at recall 1/2.
    curve = Comparison(truths, predictions).curve("a")
    np.testing.assert_allclose(curve.precision, [0, 1 / 2])
    assert average_precision(truths, predictions, protocol="paper") == pytest.approx(1 / 4)


def test_area_without_predictions_is_0_and_without_truth_nan():
    for protocol in ("coco", "paper"):
        assert area_under(precision_recall([], [], 3), protocol) == 0
        assert math.isnan(area_under(precision_recall([0.5], [0], 0), protocol))
    with pytest.raises(ValueError, match="Received: 'voc'"):
        area_under(precision_recall([], [], 1), "voc")


def test_twice_the_area_under_a_perfect_recall_is_one():
    assert twice_area(AR_THRESHOLDS, np.ones(len(AR_THRESHOLDS))) == pytest.approx(1)
    # Recall falls from 1 to 0 in a line: half of it.
    assert twice_area([0.5, 1.0], [1, 0]) == pytest.approx(0.5)


def test_recall_over_iou_integrates_to_the_overlap():
    """One truth found at IoU 2/3: recall is 1 up to there, twice the area 2 (2/3 - 1/2)."""
    truths, predictions = [[square("a", 0, 0)]], [[square("a", 0, 2)]]
    row = summary(truths, predictions)["mask"]["per_class"]["a"]
    assert row["ar_area"] == pytest.approx(1 / 3, abs=0.01)
    assert row["ar"] == pytest.approx(0.4)  # IoU 0.5, 0.55, 0.6, 0.65 of ten
    assert row["mean_iou"] == pytest.approx(2 / 3)


# --- empty cases -----------------------------------------------------------------------------


def test_image_without_truth_or_without_prediction_pitfall_16():
    """pitfall 16: an image without truth used to raise; its predictions are false ones."""
    truths = [[square("a", 0, 0)], [], [square("a", 0, 0)], []]
    predictions = [[square("a", 0, 0, score=0.9)], [square("a", 5, 5, score=0.8)], [], []]
    row = summary(truths, predictions)["mask"]["per_class"]["a"]
    assert (row["true_positives"], row["false_positives"], row["missed"]) == (1, 1, 1)
    assert row["false_positive_rate"] == 0.5
    assert average_precision(truths, predictions, protocol="paper") == 0.5


def test_class_without_truth_is_not_counted():
    truths, predictions = [[square("a", 0, 0)]], [[square("a", 0, 0), square("b", 30, 30)]]
    areas = average_precisions(truths, predictions)
    assert areas["a"] == 1 and math.isnan(areas["b"])
    assert average_precision(truths, predictions) == 1
    overall = summary(truths, predictions)["mask"]["per_class"][ALL]
    assert overall["precision"] == 0.5
    assert overall["ar"] == 1


def test_nothing_at_all():
    for truths in ([], [[]], [[], []]):
        assert math.isnan(average_precision(truths, truths))
        overall = summary(truths, truths)["box"]["per_class"][ALL]
        assert overall["truths"] == 0
        assert math.isnan(overall["recall"]) and math.isnan(overall["precision"])


def test_wrong_arguments_give_a_sentence():
    with pytest.raises(ValueError, match="Received: 2 and 1 images"):
        average_precision([[], []], [[]])
    with pytest.raises(ValueError, match=r"Received: \['b'\]"):
        Comparison([[]], [[square("b", 0, 0)]], class_names=["a"])
    with pytest.raises(ValueError, match="NaN"):
        average_precision([[square("a", 0, 0)]], [[square("a", 0, 0, score=float("nan"))]])
    with pytest.raises(ValueError, match="only an ignored truth"):
        average_precision([[square(None, 0, 0)]], [[]])


# --- outcomes --------------------------------------------------------------------------------


def test_outcomes_and_confusion():
    truths = [
        square("a", 0, 0),
        square("a", 0, 20),
        square("b", 0, 40),
        square("b", 30, 0),
        square("b", 30, 20, ignore=True),
    ]
    predictions = [
        square("a", 0, 1, score=0.9),  # right
        square("b", 0, 20, score=0.8),  # takes the place of
        square("a", 0, 20, score=0.7),  # this one, which is then false
        square("b", 30, 20, score=0.6),  # on the ignored one
        square("b", 45, 45, score=0.6),  # nothing there
        square("b", 30, 0, score=0.2),  # below the threshold
    ]
    outcomes = judge(truths, predictions, find_overlaps(truths, predictions), 0.5, 0.5)
    assert [v for _, v in outcomes.predictions] == [RIGHT, WRONG_CLASS, FALSE, IGNORED, FALSE]
    assert outcomes.missed == [truths[2], truths[3]]
    matrix = confusion_matrix([outcomes], ["a", "b"])
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 0, 2], [1, 1, 0]])
    rows = summary([truths], [predictions])["mask"]["per_class"]
    assert rows["a"]["recognition_rate"] == 0.5
    # Matched by itself class a finds both; only competition shows the mistake.
    assert rows["a"]["recall"] == 1
    assert rows[ALL]["recognition_rate"] == 0.25


def test_a_threshold_asks_whether_it_is_a_molecule_of_any_class():
    """Where classes look alike none has a high score; such an answer is reported all the same."""
    truth = [square("a", 0, 0), square("b", 20, 20)]
    torn = square("a", 0, 0, score=0.4, objectness=0.9)
    doubtful = square("b", 20, 20, score=0.4)
    comparison = Comparison([truth], [[torn, doubtful]])
    row = measure(comparison, 0.5, 0.5)["per_class"]
    assert [row[name]["true_positives"] for name in ("a", "b")] == [1, 0]
    (outcomes,) = comparison.outcomes(0.5, 0.5)
    assert [prediction for prediction, _ in outcomes.predictions] == [torn]


def test_best_f1_names_a_threshold_that_gives_it():
    truths = [[square("a", 0, 0), square("a", 0, 20)]]
    predictions = [
        [
            square("a", 0, 0, score=0.9),
            square("a", 0, 20, score=0.4),
            square("a", 40, 40, score=0.1),
        ]
    ]
    row = summary(truths, predictions)["mask"]["per_class"]["a"]
    assert (row["best_f1"], row["best_f1_score"]) == (1.0, 0.4)
    assert row["f1"] == pytest.approx(2 / 3)
    again = summary(truths, predictions, score_threshold=0.4)["mask"]["per_class"]["a"]
    assert again["f1"] == 1


# --- pycocotools -----------------------------------------------------------------------------


def random_case(rng, images=4, classes=("a", "b", "c")):
    """Truths and predictions as rectangles with holes, with ties, empty images, ignored ones.

    The last class has no truth in half of the cases.
    """
    with_truth = classes if rng.random() < 0.5 else classes[:-1]
    truths, predictions = [], []
    for _ in range(images):
        truths.append([random_one(rng, with_truth) for _ in range(rng.integers(0, 9))])
        copies = [moved(rng, t, classes) for t in truths[-1] if rng.random() < 0.8]
        copies += [moved(rng, t, classes) for t in truths[-1] if rng.random() < 0.4]
        others = [random_one(rng, classes, True) for _ in range(rng.integers(0, 5))]
        predictions.append(copies + others if rng.random() < 0.85 else [])
    return truths, predictions


def random_one(rng, classes, predicted=False):
    mask = np.zeros((SIZE, SIZE), bool)
    top, left = rng.integers(0, SIZE - 5, 2)
    mask[top : top + rng.integers(3, 12), left : left + rng.integers(3, 12)] = True
    mask[top + 1, left + 1] = rng.random() < 0.5
    fields = {"score": score(rng)} if predicted else {"ignore": bool(rng.random() < 0.2)}
    return Instance.from_mask(str(rng.choice(classes)), mask, **fields)


def moved(rng, truth, classes):
    full = whole(truth)
    full = np.roll(full, rng.integers(-1, 2, 2), axis=(0, 1))
    name = truth.class_name if rng.random() < 0.8 else str(rng.choice(classes))
    return Instance.from_mask(name, full, score=score(rng))


def score(rng):
    """One of eleven scores, so that many are equal."""
    return float(rng.integers(0, 11)) / 10


def whole(instance):
    full = np.zeros((SIZE, SIZE), bool)
    full[instance.mask.place] = instance.mask.pixels
    return full


def pycocotools_result(truths, predictions, names, kind):
    """The `precision` and `recall` arrays of COCOeval, without a limit of detections."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": k, "height": SIZE, "width": SIZE} for k in range(len(truths))],
            "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
            "annotations": coco_annotations(truths, names, kind),
        }
        truth.createIndex()
        found = COCO()
        found.dataset = {**truth.dataset, "annotations": coco_annotations(predictions, names, kind)}
        found.createIndex()
        judge = COCOeval(truth, found, "segm" if kind == "mask" else "bbox")
        judge.params.maxDets = [100_000]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    # Axes: IoU, recall, class, area range, number of detections.
    return judge.eval["precision"][..., 0, 0], judge.eval["recall"][..., 0, 0]


def coco_annotations(images, names, kind):
    from pycocotools import mask as coco_mask

    annotations = []
    for image, instances in enumerate(images):
        for instance in instances:
            y1, x1, y2, x2 = instance.box
            annotations.append(
                {
                    # Identity 0 would read as "not matched" there.
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": names.index(instance.class_name),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": instance.area,
                    "iscrowd": int(instance.ignore),
                    "score": instance.score,
                    "segmentation": coco_mask.encode(np.asfortranarray(whole(instance), np.uint8)),
                }
            )
    return annotations


@pytest.mark.parametrize("kind", ["mask", "box"])
@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_pycocotools(seed, kind):
    truths, predictions = random_case(np.random.default_rng(seed))
    names = ["a", "b", "c"]
    precision, recall = pycocotools_result(truths, predictions, names, kind)
    comparison = Comparison(truths, predictions, kind, names)
    for c, name in enumerate(names):
        if comparison.truth_count(name) == 0:
            assert (precision[:, :, c] == -1).all()
            assert math.isnan(comparison.average_precision(name))
            continue
        for t, iou in enumerate(COCO_THRESHOLDS):
            expected = precision[t, :, c].mean()
            assert comparison.average_precision(name, iou) == pytest.approx(expected, abs=1e-6)
            assert comparison.recall(name, iou) == pytest.approx(recall[t, c], abs=1e-6)
    counted = precision[precision > -1]
    if counted.size:
        overall = average_precision(truths, predictions, COCO_THRESHOLDS, kind)
        assert overall == pytest.approx(counted.mean(), abs=1e-6)


def test_the_random_cases_hold_what_they_promise():
    """Without ignored truths, ties and classes without truth the comparison would say little."""
    cases = [random_case(np.random.default_rng(seed)) for seed in range(20)]
    assert any(t.ignore for truths, _ in cases for ts in truths for t in ts)
    assert any(not ts for truths, _ in cases for ts in truths)
    assert any(not ps for _, predictions in cases for ps in predictions)
    assert any(all(t.class_name != "c" for ts in truths for t in ts) for truths, _ in cases)
    scores = [[p.score for p in ps] for _, predictions in cases for ps in predictions]
    assert any(len(set(ps)) < len(ps) for ps in scores)
