"""What the studies share: simulated images, a network trained on them, its answers measured.

    scenes = draw({"system": "A+B", "size": 640, "count": 2, "seed": 7})
    weights = train({"scenes": {...}, "steps": 300, "seed": 0}, folder)
    numbers = measured(weights, scenes)

Settings are dicts that JSON can hold: they are the names of the points (see points.py).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spm.evaluation.instances import Instance, from_annotation, from_molecules
from spm.evaluation.metrics import ALL, Comparison, report
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import median_diameter, polygon_area
from spm.inference.detector import Detections
from spm.io.images import write_image
from spm.run.files import make_folder
from spm.simulate import SYSTEMS, simulate
from spm.structures.annotation import Annotation, write_annotation

Scene = tuple[np.ndarray, Annotation]

# Width of molecule A, about that of the paper's images.
PIXELS = 60
# A person outlines molecules of which the image shows at least this share.
OUTLINED_SHARE = 0.93
# Answers from this score on are measured; AP needs the doubtful ones too.
LOWEST_SCORE = 0.05
IOU = 0.5
# A training is stored after each epoch; a killed one goes on from there.
STEPS_PER_EPOCH = 50
# Folders of a training: annotated images with their L1 copies, L2/L3 copies, dataset.
SOURCE, COPIES, DATASET = "images", "copies", "dataset"
# What is kept of an evaluation: see `spm.evaluation.metrics.measure`.
NUMBERS = (
    "truths", "true_positives", "false_positives", "recognition_rate", "precision", "recall",
    "false_positive_rate", "ap50", "ap", "mean_iou",
)  # fmt: skip


def recipe() -> str:
    """Return a short name of the light recipe's settings and of what it starts from: others, other
    points."""
    from engine.initial_weights import SHIPPED
    from Images_Augmentation.online_aug import ViewSettings
    from spm.run.manifest import digest
    from spm.run.provenance import plain
    from train_test import LightConfig

    # The class, not an instance: that would start the network's library to look for hardware.
    settings = {name: getattr(LightConfig, name) for name in dir(LightConfig) if name.isupper()}
    views = {f.name: f.default for f in fields(ViewSettings) if f.default is not MISSING}
    return digest(plain(settings), plain(views), SHIPPED.read_bytes())[:8]


def class_names(systems: Sequence[str]) -> list[str]:
    """Return the molecules of some named systems, sorted."""
    return sorted({name for system in systems for name in SYSTEMS[system].class_names})


# --- images ----------------------------------------------------------------------------------


def draw(settings: dict[str, Any]) -> list[Scene]:
    """Simulate images with their truth.

    Args:
        settings: `system`, `size` (pixels), `count`, `seed` of the first image (the next have
            the next seeds), and any other keyword of `spm.simulate.simulate`.
    """
    settings = {"pixels_per_molecule": PIXELS, **settings}
    count, seed = settings.pop("count"), settings.pop("seed")
    return [simulate(**settings, seed=seed + k) for k in range(count)]


def adsorbate_places(seed: int, count: int, side: int) -> np.ndarray:
    """Return the places (count, 2) x and y in pixels of the adsorbates in a square image without
    drift, as `spm.simulate.image.populate` draws them; the truth does not hold them."""
    surface = 3  # the simulator's random stream of the surface
    return np.random.default_rng([seed, surface]).uniform(0.03, 0.97, (count, 2)) * side


def resampled(scene: Scene, factor: float) -> Scene:
    """Return a scene with `factor` times as many pixels a side, as if recorded with fewer.

    Args:
        factor: at most 1; each new pixel is the mean of those that it covers.
    """
    image, truth = scene
    if factor == 1:
        return scene
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    ratio = np.array([width / truth.width, height / truth.height])
    moved = [replace(shape, points=shape.points * ratio) for shape in truth.shapes]
    # Slivers at the border that cover no pixel any more are gone.
    shapes = [shape for shape in moved if CroppedMask.of_polygon(shape.points, height, width).area]
    return small, replace(truth, shapes=shapes, height=height, width=width)


def diameter(scenes: Sequence[Scene]) -> float:
    """Return the median diameter sqrt(4 area / pi) of the whole molecules, pixels."""
    areas = [
        polygon_area(shape.points)
        for _, truth in scenes
        for shape in truth.shapes
        if not shape.flags.get("edge")
    ]
    return median_diameter(areas)


def write_scenes(folder: Path, scenes: Sequence[Scene]) -> None:
    """Write images and annotations as a user would have made them: cut molecules left out."""
    make_folder(folder)
    for number, (image, truth) in enumerate(scenes):
        name = f"scene{number}"
        shown = [s for s in truth.shapes if s.extra.get("visible", 1.0) >= OUTLINED_SHARE]
        shapes = [replace(shape, flags={}, extra={}) for shape in shown]
        write_image(folder / f"{name}.png", image)
        annotation = Annotation(shapes, truth.height, truth.width, f"{name}.png")
        write_annotation(folder / f"{name}.json", annotation)


# --- training ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Augmentation:
    """What a network sees of its images.

    Attributes:
        techniques: of the L2/L3 copies, one or all of them on a copy; none: L1 copies alone;
            None: no copies, views are drawn from the images themselves.
        shrink_list: of the L1 copies; see Images_Augmentation/geo_aug_img_json.py.
        copies: L2/L3 copies of each L1 image.
        view_colours: see train_test.py.
    """

    techniques: Sequence[str] | None = None
    shrink_list: Sequence[float] = ()
    copies: int = 0
    view_colours: bool = True


def train(
    scenes: Sequence[Scene],
    names: Sequence[str],
    folder: Path,
    *,
    steps: int,
    seed: int,
    augmentation: Augmentation = Augmentation(),
) -> Path:
    """Train the light network; return its weights file.

    Args:
        scenes: annotated images.
        names: the classes.
        folder: where images, copies and weights go. A training that was killed there goes on.
        steps: in all, a multiple of STEPS_PER_EPOCH.
        seed: of training and copies.
    """
    from engine.checkpoints import finished_weights
    from train_test import train_main

    if done := finished_weights(folder / "logs"):
        return done
    write_scenes(folder / SOURCE, scenes)
    from_copies = augmentation.techniques is not None
    if from_copies:
        make_dataset(folder, names, augmentation, seed)
    with fresh_network():
        return train_main(
            class_names=list(names), init_with="auto", recipe="cpu",
            augment="folder" if from_copies else "online",
            source_dir=folder / SOURCE, dataset_dir=folder / DATASET, log_dir=folder / "logs",
            coco_weights=folder / "none", validation_share=0, epochs=steps // STEPS_PER_EPOCH,
            steps_per_epoch=STEPS_PER_EPOCH, seed=seed, view_colours=augmentation.view_colours,
        )  # fmt: skip


def make_dataset(folder: Path, names: Sequence[str], augmentation: Augmentation, seed: int) -> None:
    """Run the data steps: L1 in SOURCE below the folder, L2/L3 in COPIES, all of it in DATASET."""
    import fast_json_to_dataset
    from Images_Augmentation import color_aug_img_json, geo_aug_img_json

    source, copies, techniques = folder / SOURCE, folder / COPIES, augmentation.techniques
    geo_aug_img_json.main(in_dir=source, shrink_list=augmentation.shrink_list)
    if techniques:
        color_aug_img_json.main(
            in_dir=source, out_dir=copies, techniques=techniques,
            how_many=(1, len(techniques)), aug_times=augmentation.copies, seed=seed,
        )  # fmt: skip
    fast_json_to_dataset.main(
        in_dir=copies if techniques else source, cache_dir=folder / "no cache",
        out_dir=folder / DATASET, class_names=list(names),
    )  # fmt: skip


@contextmanager
def fresh_network() -> Iterator[None]:
    """Afterwards the memory of the network that was built is free again."""
    import keras

    try:
        yield
    finally:
        keras.utils.clear_session()
        gc.collect()


# --- evaluation --------------------------------------------------------------------------------


def answers(
    detector, scenes: Sequence[Scene], **settings
) -> tuple[list[list[Instance]], list[list[Instance]]]:
    """Return the truths and the predictions of each scene.

    Truths that the image's border cuts are ignored: they count neither as found nor as missed.

    Args:
        detector: `spm.inference.detector.Detector`.
        settings: of `spm.inference.predict.Settings`, for example `tile_scale`.
    """
    from spm.inference.predict import Settings, find_molecules

    truths, predictions = [], []
    for image, truth in scenes:
        found = find_molecules(detector, image, Settings(LOWEST_SCORE, **settings))
        predictions.append(from_molecules(found, *image.shape[:2]))
        known = truth.classified(detector.class_names)
        truths.append(from_annotation(known, ("edge",), ignore_unlisted=True))
    return truths, predictions


def remembering(detector):
    """Return a detector that looks at the same tiles once, however often it is asked."""
    seen: dict[bytes, list[Detections]] = {}

    def detect(images: list[np.ndarray]) -> list[Detections]:
        key = b"".join(image.tobytes() for image in images)
        if key not in seen:
            seen[key] = detector.detect(images)
        return seen[key]

    return replace(detector, detect=detect)


def numbers(truths, predictions, names: Sequence[str], threshold: float) -> dict[str, Any]:
    """Return the NUMBERS of all classes together, and each class's recognition rate and AP.

    Masks are compared. The AP is the exact area under the interpolated curve (the protocol
    `paper`); all but AP count answers from the score threshold on.
    """
    comparison = {"mask": Comparison(truths, predictions, "mask", list(names))}
    per_class = report(comparison, IOU, threshold, "paper")["mask"]["per_class"]
    result = {name: per_class[ALL][name] for name in NUMBERS}
    result["threshold"] = threshold
    result["classes"] = {
        name: {k: per_class[name][k] for k in ("truths", "recognition_rate", "ap50")}
        for name in names
    }
    return result


def false_positives(truths, predictions, names: Sequence[str], thresholds) -> list[int]:
    """Return how many masks match no molecule of their class, from each score threshold on."""
    comparison = Comparison(truths, predictions, "mask", list(names))
    scores, right, counted, _ = comparison.matches(IOU)
    false = np.sort(scores[counted & ~right])
    return (len(false) - np.searchsorted(false, thresholds)).tolist()


@contextmanager
def trained_detector(weights: Path) -> Iterator[Any]:
    """Give the `Detector` of a weights file; its memory is free again afterwards."""
    from engine.detector import load_detector
    from spm.inference.predict import Settings

    with fresh_network():
        yield load_detector(weights, settings=Settings(score_threshold=LOWEST_SCORE))


@contextmanager
def trained(
    settings: dict[str, Any],
    folder: Path,
    scenes: Sequence[Scene] | None = None,
    augmentation: Augmentation = Augmentation(),
) -> Iterator[Any]:
    """Train the network of a point on the scenes, or on its `training`; give its `Detector`."""
    weights = train(
        draw(settings["training"]) if scenes is None else scenes, settings["classes"], folder,
        steps=settings["steps"], seed=settings["seed"], augmentation=augmentation,
    )  # fmt: skip
    with trained_detector(weights) as detector:
        yield detector


def measured(detector, scenes: Sequence[Scene], **settings) -> dict[str, Any]:
    """Return the `numbers` of a detector's answers; arguments as `answers`."""
    truths, predictions = answers(detector, scenes, **settings)
    return numbers(truths, predictions, detector.class_names, detector.score_threshold)
