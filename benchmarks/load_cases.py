"""What `cases.py` measures of very large and very many images."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CLASS_NAMES = ["003a", "020a"]  # of the demo


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several hard links counts once."""
    found = {
        (s.st_dev, s.st_ino): s.st_size
        for p in folder.rglob("*")
        if (s := p.stat()) and p.is_file()
    }
    return sum(found.values())


def data_chain(
    house: Path, aug_times: int, l1: dict | None = None, **common
) -> dict[str, Callable]:
    """The five data steps with the folders below `house`, by title.

    Args:
        house: with the annotated images in `in`.
        aug_times: L2/L3 copies of each L1 image.
        l1: further settings of that step.
        **common: settings of all steps.
    """
    import fast_json_to_dataset
    import pre_draw_mask
    import re_write_mask
    from Images_Augmentation import color_aug_img_json, geo_aug_img_json

    source, copies, cache, dataset = (house / n for n in ("in", "before", "cache", "dataset"))
    return {
        "L1": lambda: geo_aug_img_json.main(in_dir=source, **(l1 or {}), **common),
        "L2/L3": lambda: color_aug_img_json.main(
            in_dir=source, out_dir=copies, aug_times=aug_times, **common
        ),
        "label images": lambda: pre_draw_mask.main(in_dir=source, out_dir=cache, **common),
        "masks": lambda: re_write_mask.main(
            copies_dir=copies, cache_dir=cache, out_dir=dataset, **common
        ),
        "dataset": lambda: fast_json_to_dataset.main(
            in_dir=copies, cache_dir=cache, out_dir=dataset, **common
        ),
    }


def random_weights(folder: Path) -> Path:
    """Writes weights of the light network that have learned nothing: for load, not quality."""
    import keras

    import train_test
    from mrcnn.model import MaskRCNN

    keras.utils.set_random_seed(0)
    changes = {"RPN_ANCHOR_SCALES": (30, 60, 120, 240), "NUM_CLASSES": 1 + len(CLASS_NAMES)}
    config = type("Untrained", (train_test.LightConfig,), changes)
    model = MaskRCNN("training", config(), str(folder))
    model.metadata = {"class_names": CLASS_NAMES, "scale": 1.0,
                      "score_threshold": 0.35, "extra": {"molecule_size": 30.0}}  # fmt: skip
    path = folder / "mask_rcnn_untrained_0001.h5"
    model.save_weights(path)
    return path


def big_image(weights: str = "", side: int = 16384, tile_images: bool = True) -> dict:
    """A prediction of an image of side x side: images/00.png again and again."""
    import numpy as np

    from engine.predict import predict_images
    from engine.predict_image import Plan
    from spm.inference.predict import Settings
    from spm.io.images import read_image, write_image

    house = Path(tempfile.mkdtemp())
    path = Path(weights) if weights else random_weights(house)
    one = read_image(ROOT / "images" / "00.png")
    repeats = -(-side // one.shape[0]), -(-side // one.shape[1]), 1
    write_image(house / "big.png", np.tile(one, repeats)[:side, :side])
    start = time.perf_counter()
    plan = Plan(Settings(), house / "out", tile_images, report=True, weights=path)
    predict_images(plan, [house / "big.png"])
    spent = time.perf_counter() - start
    lines = (house / "out" / "big_molecules.csv").read_text(encoding="utf-8").splitlines()
    size = folder_bytes(house / "out")
    shutil.rmtree(house)
    return {"seconds": spent, "molecules": len(lines) - 1, "bytes": size}


def many_predictions(weights: str = "", count: int = 1000, side: int = 300, report: bool = False):
    """Memory of one process that predicts `count` images of one tile, one after the other."""
    import os

    import numpy as np
    import psutil

    from engine.detector import load_detector
    from engine.predict_image import predict_file
    from spm.inference.predict import Settings
    from spm.io.images import read_image, write_image

    house = Path(tempfile.mkdtemp())
    detector = load_detector(Path(weights) if weights else random_weights(house))
    one = read_image(ROOT / "images" / "00.png")
    process, rng, rows = psutil.Process(os.getpid()), np.random.default_rng(0), []
    start = time.perf_counter()
    for number in range(1, count + 1):
        y, x = rng.integers(0, np.array(one.shape[:2]) - side + 1)
        write_image(house / "a.png", one[y : y + side, x : x + side])
        predict_file(house / "a.png", "a", house, detector, Settings(), report=report)
        if number in (10, 100, 200, 500) or number == count:
            rows.append({"predictions": number, "megabytes": process.memory_info().rss / 1e6,
                         "seconds": time.perf_counter() - start})  # fmt: skip
    shutil.rmtree(house)
    return rows


def crowded(molecules: int = 5000, weights: str = "") -> list[dict]:
    """An image with so many outlined molecules: the check, the data steps, reading it for
    training, and prediction."""
    import numpy as np

    import train_test
    from engine.dataset import make_dataset
    from engine.initial_weights import Start
    from engine.predict import predict_images
    from engine.predict_image import Plan
    from engine.recipes import make_config
    from spm.checks import preflight
    from spm.dataset.annotated_images import folder_sources
    from spm.inference.predict import Settings
    from spm.io.images import write_image
    from spm.structures.annotation import Annotation, write_annotation
    from spm.structures.classes import ClassChoice
    from spm.structures.shape import Shape

    house = Path(tempfile.mkdtemp())
    columns = round(molecules**0.5)
    rows = -(-molecules // columns)
    rng = np.random.default_rng(0)
    image = rng.normal(60, 8, (rows * 30, columns * 30))
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    shapes = []
    ys, xs = np.mgrid[: rows * 30, : columns * 30]
    image += 120 * np.exp(-(((ys % 30 - 15) / 7) ** 2 + ((xs % 30 - 15) / 7) ** 2))
    for number in range(molecules):
        y, x = 30 * (number // columns) + 15, 30 * (number % columns) + 15
        points = np.stack([x + 11 * np.cos(around), y + 11 * np.sin(around)], axis=1)
        shapes.append(Shape(f"003a{number + 1}", points))
    source, dataset, images = (house / n for n in ("in", "dataset", "images"))
    source.mkdir(), images.mkdir()
    grey = np.clip(image, 0, 255).astype(np.uint8)
    for folder in (source, images):
        write_image(folder / "many.png", np.repeat(grey[:, :, None], 3, axis=2))
    annotation = Annotation(shapes, *image.shape, "many.png")
    write_annotation(source / "many.json", annotation)

    def draw_a_view():
        sources = folder_sources(dataset)
        config = make_config(train_test.recipes(), True, Start(""), CLASS_NAMES, sources)
        data = make_dataset(sources, CLASS_NAMES, config)
        data.load_sample(0, np.random.default_rng(0))

    path = Path(weights) if weights else random_weights(house)
    steps = {
        "check": lambda: preflight.look(source, images, ClassChoice(CLASS_NAMES)),
        # Four images of L1, two copies of each.
        **data_chain(house, 2, {"angles": [15], "flips": ["lr"]}, workers=1),
        "one view for training": draw_a_view,
        "prediction": lambda: predict_images(
            Plan(Settings(), house / "out", report=True, weights=path), [images / "many.png"]
        ),
    }
    found = []
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        found.append({"case": name, "seconds": time.perf_counter() - start, **_peak()})
        print(found[-1], flush=True)
    shutil.rmtree(house)
    return found


def _peak() -> dict:
    """The largest memory that this process has had, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return {}
    return {"peak_mb_so_far": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}
