"""One measurement each, in a process of its own: `python benchmarks/cases.py NAME key=value ...`
prints a line of JSON. `run.py` calls it and watches the memory."""

from __future__ import annotations

import ast
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CLASS_NAMES = ["003a", "020a"]  # of the demo


def seconds(function, repeats: int = 5) -> float:
    """Median seconds of a call, after one that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def tree_seconds() -> float:
    """Processor time of this process and of its workers so far."""
    import psutil

    me = psutil.Process()
    spent = [process.cpu_times() for process in [me, *me.children(recursive=True)]]
    return sum(t.user + t.system + t.children_user + t.children_system for t in spent)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several hard links counts once."""
    found = {
        (s.st_dev, s.st_ino): s.st_size
        for p in folder.rglob("*")
        if (s := p.stat()) and p.is_file()
    }
    return sum(found.values())


def data_steps(
    aug_times: int = 56, own: int = 1, side: int = 320, again: bool = True
) -> list[dict]:
    """The five data steps on the demo's crop, and PNG encoding of the copies as a yardstick.

    Args:
        aug_times: L2/L3 copies of each L1 picture.
        own: annotated pictures: the crop under so many names.
        side: of the crop, to which it is resized.
        again: also do it all again, when it is up to date, and measure the yardstick.
    """
    import cv2

    import fast_json_to_dataset
    import pre_draw_mask
    import re_write_mask
    from Images_Augmentation import color_aug_img_json, geo_aug_img_json
    from spm.io.images import encode_png, read_picture, write_picture
    from spm.structures.annotation import (
        Annotation,
        Shape,
        outline,
        read_annotation,
        write_annotation,
    )

    house = Path(tempfile.mkdtemp())
    source, copies, cache, dataset = (house / n for n in ("in", "before", "cache", "dataset"))
    source.mkdir()
    crop = read_annotation(ROOT / "aug_test_in" / "00-cut.json")
    picture = cv2.resize(crop.read_picture(), (side, side), interpolation=cv2.INTER_AREA)
    shapes = [Shape(s.label, outline(s) * side / crop.width) for s in crop.shapes]
    for number in range(own):
        write_picture(source / f"cut{number}.png", picture)
        annotation = Annotation(shapes, side, side, f"cut{number}.png")
        write_annotation(source / f"cut{number}.json", annotation)
    steps = {
        "L1": lambda: geo_aug_img_json.main(in_dir=source),
        "L2/L3": lambda: color_aug_img_json.main(
            in_dir=source, out_dir=copies, aug_times=aug_times
        ),
        "label pictures": lambda: pre_draw_mask.main(in_dir=source, out_dir=cache),
        "masks": lambda: re_write_mask.main(copies_dir=copies, cache_dir=cache, out_dir=dataset),
        "dataset": lambda: fast_json_to_dataset.main(
            in_dir=copies, cache_dir=cache, out_dir=dataset
        ),
    }
    counts = {"L1": 72 * own, "label pictures": 72 * own}
    rows, before = [], 0
    for name, step in steps.items():
        start, cpu = time.perf_counter(), tree_seconds()
        step()
        spent, after = time.perf_counter() - start, folder_bytes(house)
        pictures = counts.get(name, 72 * aug_times * own)
        rows.append({"case": name, "seconds": spent, "processor_seconds": tree_seconds() - cpu,
                     "pictures": pictures, "bytes": after - before})  # fmt: skip
        before = after
    if not again:
        shutil.rmtree(house)
        return rows
    start = time.perf_counter()
    for step in steps.values():
        step()
    rows.append({"case": "all again, up to date", "seconds": time.perf_counter() - start})
    some = [read_picture(p) for p in sorted(copies.glob("*.png"))[::40]]
    each = seconds(lambda: [encode_png(p) for p in some], 3) / len(some)
    rows.append({"case": "yardstick: PNG encoding", "seconds": each * 72 * aug_times * own})
    shutil.rmtree(house)
    return rows


def training_config(network: str, side: int, dtype: str):
    """The config of a training case: "paper" or "light"."""
    import train_test

    base = {"paper": train_test.ShapesConfig, "light": train_test.LightConfig}[network]
    changes = {"IMAGE_MIN_DIM": side, "IMAGE_MAX_DIM": side, "COMPUTE_DTYPE": dtype}
    return type("BenchmarkConfig", (base,), changes)()


def training_model(network: str, side: int, layers: str, dtype: str):
    """The detector of a training case, ready for a step, and its config."""
    from mrcnn.model import MaskRCNN, _jit
    from mrcnn.training import STAGES, make_optimizer

    config = training_config(network, side, dtype)
    model = MaskRCNN("training", config, tempfile.mkdtemp())
    model.set_trainable(STAGES[layers], verbose=0)
    model.keras_model.compile(optimizer=make_optimizer(config, 1e-4, 100), jit_compile=_jit(config))
    return model, config


def batches_of_demo(config, count: int):
    """A generator of `count` training batches: views of the demo."""
    from engine.dataset import MoleculeDataset
    from Images_Augmentation.online_aug import ViewSettings
    from mrcnn.batches import DataGenerator
    from spm.dataset.annotated_images import median_diameter, outlined_sources

    sources = outlined_sources(ROOT / "aug_test_in")
    scale = config.MOLECULE_PIXELS / median_diameter(sources)
    dataset = MoleculeDataset()
    views = ViewSettings(size=int(config.IMAGE_SHAPE[0]), scale=scale)
    dataset.load_shapes(sources, CLASS_NAMES, views)
    return DataGenerator(dataset, config, steps=count)


def training_step(network="paper", side=320, layers="all", dtype="float32", repeats=5) -> dict:
    """Seconds of a training step on pictures of the demo; batches are made beforehand."""
    model, config = training_model(network, side, layers, dtype)
    batches = batches_of_demo(config, 2)
    start = time.perf_counter()
    made = [batches[k][0] for k in range(2)]
    batch_seconds = (time.perf_counter() - start) / 2
    start = time.perf_counter()
    model.keras_model.train_on_batch(made[0])
    first = time.perf_counter() - start
    step = seconds(lambda: model.keras_model.train_on_batch(made[1]), repeats)
    return {"seconds": step, "first_step": first, "batch_seconds": batch_seconds,
            "pictures": config.BATCH_SIZE}  # fmt: skip


def training_run(
    network="paper", side=512, layers="all", dtype="mixed_bfloat16", steps=100, processes=(0,),
    warm_up=6,
) -> dict:  # fmt: skip
    """Seconds of a step within `fit`, as training runs it: with batches made beforehand, and with
    batches that so many processes make meanwhile (0: two threads)."""
    from mrcnn.batches import BatchStream

    model, config = training_model(network, side, layers, dtype)
    batches = batches_of_demo(config, steps)
    start = time.perf_counter()
    made = [batches[k] for k in range(4)]
    result = {"pictures": config.BATCH_SIZE, "batch_seconds": (time.perf_counter() - start) / 4}

    def fit(generator, count):
        start = time.perf_counter()
        model.keras_model.fit(generator, steps_per_epoch=count, epochs=1, verbose=0, shuffle=False)
        return time.perf_counter() - start

    ready = (batch for batch in itertools.cycle(made))  # Keras takes generators alone
    result["start"] = fit(ready, warm_up)
    result["seconds"] = fit(ready, steps) / steps
    for count in processes:
        with BatchStream(batches, processes=count) as stream:
            generator = stream.generator()
            fit(generator, warm_up)
            result[f"seconds_{count}_processes"] = fit(generator, steps) / steps
    return {**result, **card_memory()}


def card_memory() -> dict:
    """The most memory of the graphics card that this process's backend has had in use, MB."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return {"card_mb": torch.cuda.max_memory_allocated() / 1e6}
    if keras.backend.backend() == "jax":
        import jax

        found = jax.local_devices()[0].memory_stats() or {}
        return {"card_mb": found.get("peak_bytes_in_use", 0) / 1e6}
    return {}


def resnet50(side=320, batch=2, train=True, dtype="float32", repeats=5) -> dict:
    """The yardstick: forward (and backward) of keras.applications.ResNet50 without its top."""
    import keras
    import numpy as np

    keras.mixed_precision.set_global_policy(dtype)
    trunk = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg")
    jit = keras.backend.backend() == "jax"
    trunk.compile(optimizer="sgd", loss="mse", jit_compile=jit)
    x = np.random.default_rng(0).random((batch, side, side, 3), np.float32)
    y = np.zeros((batch, 2048), np.float32)
    call = (lambda: trunk.train_on_batch(x, y)) if train else (lambda: trunk.predict_on_batch(x))
    return {"seconds": seconds(call, repeats), "pictures": batch}


def prediction(weights: str, side: int = 1024, repeats: int = 2) -> dict:
    """Seconds of the prediction of one simulated picture, the network being built."""
    from engine.detector import load_detector
    from spm.inference.predict import Settings, picture_grid, predict_picture
    from spm.simulate import simulate

    picture, truth = simulate("network", side, seed=0)
    start = time.perf_counter()
    detector = load_detector(Path(weights))
    build = time.perf_counter() - start
    found = predict_picture(detector, picture)
    spent = seconds(lambda: predict_picture(detector, picture), repeats)
    grid = picture_grid(detector, side, side, Settings())
    return {"seconds": spent, "build": build, "molecules": len(found), "true": len(truth.shapes),
            "tiles": len(list(grid.tiles())), "tile_side": detector.input_size}  # fmt: skip


def random_weights(folder: Path) -> Path:
    """Writes weights of the light network that have learned nothing: for load, not quality."""
    import keras

    import train_test
    from mrcnn.model import MaskRCNN

    keras.utils.set_random_seed(0)
    config = type("Untrained", (train_test.LightConfig,), {"RPN_ANCHOR_SCALES": (30, 60, 120, 240)})
    model = MaskRCNN("training", config(), str(folder))
    model.metadata = {"class_names": CLASS_NAMES, "scale": 1.0,
                      "score_threshold": 0.35, "extra": {"molecule_size": 30.0}}  # fmt: skip
    path = folder / "mask_rcnn_untrained_0001.h5"
    model.save_weights(path)
    return path


def big_picture(weights: str = "", side: int = 16384, tile_pictures: bool = True) -> dict:
    """A prediction of a picture of side x side: images/00.png again and again."""
    import numpy as np

    from engine.predict import predict_images
    from engine.predict_image import Plan
    from spm.inference.predict import Settings
    from spm.io.images import read_picture, write_picture

    house = Path(tempfile.mkdtemp())
    path = Path(weights) if weights else random_weights(house)
    one = read_picture(ROOT / "images" / "00.png")
    repeats = -(-side // one.shape[0]), -(-side // one.shape[1]), 1
    write_picture(house / "big.png", np.tile(one, repeats)[:side, :side])
    start = time.perf_counter()
    plan = Plan(Settings(), house / "out", tile_pictures, report=True, weights=path)
    predict_images(plan, [house / "big.png"])
    spent = time.perf_counter() - start
    lines = (house / "out" / "big_molecules.csv").read_text(encoding="utf-8").splitlines()
    size = folder_bytes(house / "out")
    shutil.rmtree(house)
    return {"seconds": spent, "molecules": len(lines) - 1, "bytes": size}


def many_predictions(weights: str = "", count: int = 1000, side: int = 300, report: bool = False):
    """Memory of one process that predicts `count` pictures of one tile, one after the other."""
    import os

    import numpy as np
    import psutil

    from engine.detector import load_detector
    from engine.predict_image import predict_file
    from spm.inference.predict import Settings
    from spm.io.images import read_picture, write_picture

    house = Path(tempfile.mkdtemp())
    detector = load_detector(Path(weights) if weights else random_weights(house))
    one = read_picture(ROOT / "images" / "00.png")
    process, rng, rows = psutil.Process(os.getpid()), np.random.default_rng(0), []
    start = time.perf_counter()
    for number in range(1, count + 1):
        y, x = rng.integers(0, np.array(one.shape[:2]) - side + 1)
        write_picture(house / "a.png", one[y : y + side, x : x + side])
        predict_file(house / "a.png", "a", house, detector, Settings(), report=report)
        if number in (10, 100, 200, 500) or number == count:
            rows.append({"predictions": number, "megabytes": process.memory_info().rss / 1e6,
                         "seconds": time.perf_counter() - start})  # fmt: skip
    shutil.rmtree(house)
    return rows


def crowded(molecules: int = 5000, weights: str = "") -> list[dict]:
    """A picture with so many outlined molecules: the check, the data steps, reading it for
    training, and prediction."""
    import numpy as np

    import fast_json_to_dataset
    import pre_draw_mask
    import re_write_mask
    import train_test
    from engine.dataset import make_dataset
    from engine.initial_weights import Start
    from engine.predict import predict_images
    from engine.predict_image import Plan
    from engine.recipes import make_config
    from Images_Augmentation import color_aug_img_json, geo_aug_img_json
    from spm.checks import preflight
    from spm.dataset.annotated_images import folder_sources
    from spm.inference.predict import Settings
    from spm.io.images import write_picture
    from spm.structures.annotation import Annotation, Shape, write_annotation

    house = Path(tempfile.mkdtemp())
    columns = round(molecules**0.5)
    rows = -(-molecules // columns)
    rng = np.random.default_rng(0)
    picture = rng.normal(60, 8, (rows * 30, columns * 30))
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    shapes = []
    ys, xs = np.mgrid[: rows * 30, : columns * 30]
    picture += 120 * np.exp(-(((ys % 30 - 15) / 7) ** 2 + ((xs % 30 - 15) / 7) ** 2))
    for number in range(molecules):
        y, x = 30 * (number // columns) + 15, 30 * (number % columns) + 15
        points = np.stack([x + 11 * np.cos(around), y + 11 * np.sin(around)], axis=1)
        shapes.append(Shape(f"003a{number + 1}", points))
    source, copies, cache, dataset, images = (
        house / n for n in ("in", "before", "cache", "dataset", "images")
    )
    source.mkdir(), images.mkdir()
    grey = np.clip(picture, 0, 255).astype(np.uint8)
    for folder in (source, images):
        write_picture(folder / "many.png", np.repeat(grey[:, :, None], 3, axis=2))
    annotation = Annotation(shapes, *picture.shape, "many.png")
    write_annotation(source / "many.json", annotation)
    names = {"class_names": CLASS_NAMES}

    def draw_a_view():
        sources = folder_sources(dataset)
        config = make_config(train_test.recipes(), True, Start(""), CLASS_NAMES, sources)
        data = make_dataset(sources, CLASS_NAMES, config)
        data.load_sample(0, np.random.default_rng(0))

    path = Path(weights) if weights else random_weights(house)
    steps = {
        "check": lambda: preflight.look(source, images, CLASS_NAMES),
        "L1, 4 pictures": lambda: geo_aug_img_json.main(
            in_dir=source, angles=[15], flips=["lr"], workers=1
        ),
        "L2/L3, 8 pictures": lambda: color_aug_img_json.main(
            in_dir=source, out_dir=copies, aug_times=2, workers=1
        ),
        "label pictures": lambda: pre_draw_mask.main(
            in_dir=source, out_dir=cache, workers=1, **names
        ),
        "masks": lambda: re_write_mask.main(
            copies_dir=copies, cache_dir=cache, out_dir=dataset, workers=1
        ),
        "dataset": lambda: fast_json_to_dataset.main(
            in_dir=copies, cache_dir=cache, out_dir=dataset, workers=1, **names
        ),
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


def matrix_product(side: int = 2048, dtype: str = "float32", products: int = 1) -> dict:
    """The machine's floating-point rate: large matrix products, so many in a row."""
    import numpy as np
    from keras import ops

    a = ops.convert_to_tensor(np.random.default_rng(0).random((side, side), np.float32) / side)
    a = ops.cast(a, dtype)

    def multiply():
        answer = a
        for _ in range(products):
            answer = ops.matmul(answer, a)
        return ops.convert_to_numpy(ops.cast(answer[0, 0], "float32"))

    spent = seconds(multiply) / products
    return {"seconds": spent, "gflops": 2 * side**3 / spent / 1e9}


FUNCTIONS = (
    data_steps, training_step, training_run, resnet50, prediction, matrix_product,
    big_picture, many_predictions, crowded,
)  # fmt: skip
CASES = {function.__name__: function for function in FUNCTIONS}

if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--help"]):
        print(__doc__, "\nNAME is one of", ", ".join(CASES))
        sys.exit()
    arguments = {}
    for text in sys.argv[2:]:
        key, value = text.split("=", 1)
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[key] = value
    print("RESULT " + json.dumps(CASES[sys.argv[1]](**arguments)))
