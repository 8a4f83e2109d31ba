"""Images of other colours than the annotated ones are drawn in theirs, and nothing else is."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from checkout import ROOT

from engine.likeness import appearance_record
from engine.predict_image import Plan, predict_image
from engine.trained_colours import in_trained_colours
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.detector import Detections, Detector
from spm.inference.predict import Settings
from spm.instruments.heights import Opened
from spm.io.colour_maps import lookup_table
from spm.io.images import read_image, write_image
from spm.run.language import written_in
from spm.structures.annotation import read_annotation, write_annotation

NAMES = ["003a", "020a"]
CROP = read_image(ROOT / "aug_test_in" / "00-cut.png")
GREY = np.repeat(cv2.cvtColor(CROP, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
GWYDDION = lookup_table("gwyddion")[GREY[..., 0]]


def knows(image: np.ndarray, folder) -> Detector:
    """A detector that was trained on the crop, drawn as `image`, and recognises its molecules in
    the same colours and in no others, whatever else it is shown."""
    annotation = read_annotation(ROOT / "aug_test_in" / "00-cut.json")
    write_image(folder / "00-cut.png", image)
    write_annotation(folder / "00-cut.json", annotation)
    masks = [CroppedMask.of_polygon(shape.points, 320, 320) for shape in annotation.shapes]
    boxes = np.array([mask.box for mask in masks], float)
    scores = np.full((len(masks), 2), 0.01, np.float32)
    classes = [NAMES.index(shape.label[:4]) for shape in annotation.shapes]
    scores[np.arange(len(masks)), classes] = 0.99

    def detect(shown):
        alike = np.abs(shown[0].astype(int) - image).mean() < 12
        return [Detections(boxes, scores, masks) if alike else NOTHING]

    record = appearance_record(outlined_sources(folder), NAMES, True)
    return Detector(
        NAMES, 1.0, 320, 0.5, detect, name="w", appearance=json.loads(json.dumps(record))
    )


NOTHING = Detections(np.zeros((0, 4)), np.zeros((0, 2), np.float32), [])


def recognise(image, detector, folder, **how):
    plan = Plan(Settings(), folder, tile_images=False, **how)
    return predict_image(folder / "x.png", "x", Opened(image, None, None, {}), detector, plan)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (GREY, "the network was shown it in theirs"),
        (GWYDDION, "the network was shown it in theirs"),
        (255 - GREY, "the network was shown it inverted and in theirs"),
        (255 - CROP, "the network was shown it inverted and in theirs"),
    ],
    ids=["grey", "another map", "inverted grey", "inverted"],
)
def test_other_colours_are_drawn_as_trained_and_told(image, said, tmp_path):
    detector = knows(CROP, tmp_path)
    molecules, line = recognise(image, detector, tmp_path, report=True)
    assert len(molecules) == 22 and line.count("note:") == 1
    assert said in line and "--no-match-colours" in line
    assert said in (tmp_path / "x_report.html").read_text(encoding="utf-8")
    # What is drawn for the user has the user's colours.
    drawn = read_image(tmp_path / "x_predicted.png")
    shown = cv2.resize(image, drawn.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    assert np.median(np.abs(drawn.astype(int) - shown)) <= 3
    molecules, line = recognise(image, detector, tmp_path, match_colours=False)
    assert not molecules and "convert it with the same colour map" in line


def test_trained_on_grey_an_inverted_image_is_turned_back(tmp_path):
    detector = knows(GREY, tmp_path)
    molecules, line = recognise(255 - GREY, detector, tmp_path)
    assert len(molecules) == 22 and "the other way round" in line
    molecules, line = recognise(CROP, detector, tmp_path)
    assert len(molecules) == 22 and "in theirs" in line
    for image in (GREY, GREY // 2 + 60):
        assert "inverted" not in recognise(image, detector, tmp_path)[1]


def test_an_image_of_the_trained_colours_is_looked_at_once_and_as_it_is(tmp_path):
    detector = knows(CROP, tmp_path)
    shown, detect = [], detector.detect
    detector.detect = lambda images: shown.append(images[0]) or detect(images)
    molecules, line = recognise(CROP, detector, tmp_path)
    assert len(molecules) == 22 and "note" not in line
    assert len(shown) == 1 and (shown[0] == CROP).all()


def test_where_nothing_is_familiar_either_way_the_image_stays_as_it_is(tmp_path):
    detector = knows(CROP, tmp_path)
    ground = np.repeat(np.random.default_rng(3).integers(40, 70, (320, 320, 1)), 3, axis=2)
    ground = ground.astype(np.uint8)
    assert not in_trained_colours(ground, detector, Settings()).changed
    molecules, line = recognise(ground, detector, tmp_path)
    assert not molecules and "grey, those trained on were coloured" in line


def test_weights_without_a_curve_and_with_a_damaged_one(tmp_path):
    detector = knows(CROP, tmp_path)
    detector.appearance = {k: v for k, v in detector.appearance.items() if k != "colour_curve"}
    molecules, line = recognise(GREY, detector, tmp_path)
    assert not molecules and "grey, those trained on were coloured" in line
    detector.appearance |= {"colour_curve": {"colours": [1]}}
    with pytest.raises(InputError, match="annotated images' colours is damaged"):
        recognise(GREY, detector, tmp_path)


def test_it_is_told_in_chinese(tmp_path):
    with written_in("zh"):
        _, line = recognise(GREY, knows(CROP, tmp_path), tmp_path, language="zh")
    assert "配色" in line and "theirs" not in line
