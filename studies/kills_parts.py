"""The runs that studies/kills.py kills: what lies there before, and what is run."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

import fast_json_to_dataset
import pre_draw_mask
import predict_big_pic
import re_write_mask
import train_test
import workflow
from engine.checkpoints import newest_weights
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from mrcnn import weights as weights_file
from mrcnn.model import MaskRCNN
from spm import exports
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.detector import Detections, Detector
from spm.io.images import write_image
from spm.run.manifest import digest
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.shape import Shape

CLASSES = ["A", "B"]
STEP = 32  # pixels from one molecule to the next
HALF = 9  # of a molecule's side


@dataclass(frozen=True)
class Part:
    """What is killed.

    Attributes:
        name: a word.
        prepare: fills an empty folder with what lies there before.
        work: is run in the folder and killed.
        mine: patterns of files that the user made and that a run never changes.
    """

    name: str
    prepare: Callable[[Path], None]
    work: Callable[[Path], object]
    mine: tuple[str, ...] = ("in/own.*", "images/*")

    def lost(self, start: Path, base: Path) -> list[str]:
        """Return the user's files that are not there any more as they were."""
        own = [p for pattern in self.mine for p in sorted(start.glob(pattern))]
        found = [
            str(p.relative_to(start))
            for p in own
            if not (there := base / p.relative_to(start)).is_file()
            or there.read_bytes() != p.read_bytes()
        ]
        corrected = start / "out/scan_predicted.json"
        if self.name == "add" and not any(
            _labels(path) == _labels(corrected)
            for path in (base / "out/scan_predicted.json", base / "in/scan.json")
        ):
            found.append("the corrections")
        return found


def _labels(path: Path) -> list[tuple[str, int]]:
    if not path.is_file():
        return []
    return [(shape.label, round(shape.points.sum())) for shape in read_annotation(path).shapes]


# --- what lies there ----------------------------------------------------------------------------


def surface(rows: int, columns: int, seed: int) -> tuple[np.ndarray, list[Shape]]:
    """Draw molecules on a noisy ground: discs A and squares B; return image and outlines."""
    rng = np.random.default_rng(seed)
    image = rng.integers(20, 60, (rows * STEP, columns * STEP, 3)).astype(np.uint8)
    shapes = []
    for k in range(rows * columns):
        x, y = (k % columns) * STEP + STEP // 2, (k // columns) * STEP + STEP // 2
        square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * HALF + (x, y)
        if (k + seed) % 2:
            cv2.circle(image, (x, y), HALF, (200, 190, 180), -1)
            angles = np.arange(24) * 2 * np.pi / 24
            points = np.array([x, y]) + HALF * np.stack([np.cos(angles), np.sin(angles)], 1)
            shapes.append(Shape(f"A{k}", points))
        else:
            image[y - HALF : y + HALF, x - HALF : x + HALF] = (180, 200, 210)
            shapes.append(Shape(f"B{k}", square.astype(float)))
    return image, shapes


def prepare(base: Path) -> None:
    """Write in/own (a crop with its outlines) and two images to recognise."""
    image, shapes = surface(2, 3, 1)
    for folder in ("in", "images"):
        (base / folder).mkdir()
    write_image(base / "in/own.png", image)
    write_annotation(base / "in/own.json", Annotation(shapes, *image.shape[:2], "own.png"))
    write_image(base / "images/scan.png", surface(4, 5, 2)[0])
    cv2.imwrite(str(base / "images/b 一.tif"), surface(4, 4, 3)[0][..., 0].astype(np.uint16) * 200)


def prepare_trained(base: Path) -> None:
    """The same after a first training and prediction, which are made once for all parts."""
    shutil.copytree(_trained().name, base, dirs_exist_ok=True)


@functools.cache
def _trained() -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()
    base = Path(folder.name)
    prepare(base)
    with stand_ins():
        weights = train_test.train_main(**_training(base))
        _predict(base, weights)
    run = base / "logs/shapes20260101T0000"
    weights.parent.rename(run)
    shutil.rmtree(base / "out/pre_predict")
    shutil.rmtree(base / "out/post_predict")
    return folder


def prepare_without_threshold(base: Path) -> None:
    """The images, and a training whose last epoch has ended, but not the search for a threshold."""
    prepare(base)
    with stand_ins(), mock.patch("engine.train.judge"):
        train_test.train_main(**_training(base))


def prepare_corrected(base: Path) -> None:
    """The same, and a molecule of the prediction is renamed and another deleted."""
    prepare_trained(base)
    path = base / "out/scan_predicted.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    first = data["shapes"][0]
    first["label"] = "B77" if first["label"].startswith("A") else "A77"
    del data["shapes"][3]
    path.write_text(json.dumps(data), encoding="utf-8")


# --- what stands for the network ----------------------------------------------------------------


class StandIn:
    """Stands for MaskRCNN in a training: it learns a number from its start and its images."""

    mode = "training"
    set_log_dir = MaskRCNN.set_log_dir

    def __init__(self, config, start, log_dir, seed):
        self.config, self.model_dir, self.metadata = config, str(log_dir), {}
        self.set_log_dir(start.weights if start.goes_on else None)
        known = weights_file.read_metadata(start.weights)["extra"] if start.weights else {}
        start_from = known.get("learned", "")
        self.learned = start_from if start.goes_on else digest(start_from, seed)

    def train(self, train_set, val_set, rate, last, layers, **_):
        """Write the weights of each epoch."""
        while self.epoch < last:
            self.epoch += 1
            image, masks = train_set.load_image(0), train_set.load_mask(0)[0]
            self.learned = digest(self.learned, image.tobytes(), masks.tobytes(), layers, rate)
            self.save_weights(self.checkpoint_path.format(epoch=self.epoch))

    def save_weights(self, path):
        """Write what was learned, as MaskRCNN's own."""
        extra = {**self.metadata["extra"], "learned": self.learned}
        said = {**self.metadata, "extra": extra, "config": self.config.to_dict()}
        weights_file.save_weights(path, [], said)


def load(weights, *_, **__) -> Detector:
    """Stands for `load_detector`: bright spots, of which what was learned misnames one in five."""
    said = weights_file.read_metadata(Path(weights))
    threshold = said["score_threshold"] or 0.5
    number = int(said["extra"]["learned"][:6], 16)
    return Detector(
        CLASSES, 1.0, 96, threshold, functools.partial(_see, number), molecule_size=2.0 * HALF,
        name=f"{Path(weights).parent.name}/{Path(weights).name}",
    )  # fmt: skip


def _see(number: int, images: list[np.ndarray]) -> list[Detections]:
    return [_spots(number, image) for image in images]


def _spots(number: int, image: np.ndarray) -> Detections:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (image[..., 1] > 130).astype(np.uint8)
    )
    boxes, scores, masks = [], [], []
    for k in range(1, count):
        x, y, width, height, area = stats[k]
        if area < 40:
            continue
        square = area > 0.9 * width * height
        wrong = (number + area + k) % 5 == 0
        score = 0.6 + (number * k) % 100 / 300
        boxes.append((y, x, y + height, x + width))
        scores.append((0.2, score) if square != wrong else (score, 0.2))
        masks.append(CroppedMask(labels[y : y + height, x : x + width] == k, int(y), int(x)))
    return Detections(
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(scores, np.float32).reshape(-1, 2),
        masks,
    )


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Replace the network in training and prediction, in all places that build one."""
    with contextlib.ExitStack() as stack:
        for place in ("detector", "predict", "predict_image", "retrain"):
            stack.enter_context(mock.patch(f"engine.{place}.load_detector", load))
        stack.enter_context(mock.patch("engine.train.build", StandIn))
        yield


# --- what is run --------------------------------------------------------------------------------


def _training(base: Path) -> dict:
    return {
        "class_names": CLASSES, "init_with": "auto", "recipe": "cpu", "augment": "online",
        "source_dir": base / "in", "dataset_dir": base / "dataset", "log_dir": base / "logs",
        "validation_share": 0.0, "epochs": 2, "steps_per_epoch": 2,
    }  # fmt: skip


def _workflow(base: Path, **more) -> int:
    folders = {
        "images_dir": base / "images", "out_dir": base / "out", "copies_dir": base / "before",
        "cache_dir": base / "cache",
    }  # fmt: skip
    with stand_ins():
        return workflow.main(**_training(base) | folders | {"workers": 1, "report": True} | more)


def _predict(base: Path, weights: Path) -> int:
    folders = {"in_dir": base / "images", "out_dir": base / "out"}
    with stand_ins():
        return predict_big_pic.main(weights=weights, report=True, **folders)


def predict(base: Path) -> int:
    """Recognise the images, with reports."""
    return _predict(base, newest_weights(base / "logs"))


def steps(base: Path) -> None:
    """Run the data steps with two workers."""
    common = {"workers": 2}
    geo_aug_img_json.main(in_dir=base / "in", angles=[40, 90], flips=["lr"], **common)
    color_aug_img_json.main(in_dir=base / "in", out_dir=base / "before", aug_times=2, **common)
    named = {**common, "class_names": CLASSES}
    pre_draw_mask.main(in_dir=base / "in", out_dir=base / "cache", **named)
    copies = {"cache_dir": base / "cache", "out_dir": base / "dataset"}
    re_write_mask.main(copies_dir=base / "before", **copies, **common)
    fast_json_to_dataset.main(in_dir=base / "before", **copies, **named)


def export(base: Path) -> int:
    """Write the predictions for other programs."""
    found = sorted((base / "out").glob("*_predicted.json"))
    return exports.main(files=found, class_names=CLASSES, out=base / "exported")


def train(base: Path) -> Path:
    """Train, or go on with a training that was cut off."""
    with stand_ins():
        return train_test.train_main(**_training(base))


def add(base: Path) -> int:
    """Train on with a corrected prediction."""
    return _workflow(base, add=[base / "out/scan_predicted.json"])


PARTS = {
    part.name: part
    for part in (
        Part("steps", prepare, steps),
        Part("prediction", prepare_trained, predict),
        Part("export", prepare_trained, export, ("in/own.*", "images/*", "out/*")),
        Part("threshold", prepare_without_threshold, train),
        Part("workflow", prepare, functools.partial(_workflow, self_training=True)),
        Part("add", prepare_corrected, add),
    )
}  # fmt: skip
