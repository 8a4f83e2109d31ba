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

from load_cases import big_image, crowded, data_chain, folder_bytes, many_predictions

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


def data_steps(
    aug_times: int = 56, own: int = 1, side: int = 320, again: bool = True
) -> list[dict]:
    """The five data steps on the demo's crop, and PNG encoding of the copies as a yardstick.

    Args:
        aug_times: L2/L3 copies of each L1 image.
        own: annotated images: the crop under so many names.
        side: of the crop, to which it is resized.
        again: also do it all again, when it is up to date, and measure the yardstick.
    """
    import cv2

    from spm.io.images import encode_png, read_image, write_image
    from spm.structures.annotation import Annotation, read_annotation, write_annotation
    from spm.structures.shape import Shape, outline

    house = Path(tempfile.mkdtemp())
    source, copies = house / "in", house / "before"
    source.mkdir()
    crop = read_annotation(ROOT / "aug_test_in" / "00-cut.json")
    image = cv2.resize(crop.read_image(), (side, side), interpolation=cv2.INTER_AREA)
    shapes = [Shape(s.label, outline(s) * side / crop.width) for s in crop.shapes]
    for number in range(own):
        write_image(source / f"cut{number}.png", image)
        annotation = Annotation(shapes, side, side, f"cut{number}.png")
        write_annotation(source / f"cut{number}.json", annotation)
    steps = data_chain(house, aug_times)
    counts = {"L1": 72 * own, "label images": 72 * own}
    rows, before = [], 0
    for name, step in steps.items():
        start, cpu = time.perf_counter(), tree_seconds()
        step()
        spent, after = time.perf_counter() - start, folder_bytes(house)
        images = counts.get(name, 72 * aug_times * own)
        rows.append({"case": name, "seconds": spent, "processor_seconds": tree_seconds() - cpu,
                     "images": images, "bytes": after - before})  # fmt: skip
        before = after
    if not again:
        shutil.rmtree(house)
        return rows
    start = time.perf_counter()
    for step in steps.values():
        step()
    rows.append({"case": "all again, up to date", "seconds": time.perf_counter() - start})
    some = [read_image(p) for p in sorted(copies.glob("*.png"))[::40]]
    each = seconds(lambda: [encode_png(p) for p in some], 3) / len(some)
    rows.append({"case": "yardstick: PNG encoding", "seconds": each * 72 * aug_times * own})
    shutil.rmtree(house)
    return rows


def training_config(network: str, side: int, dtype: str):
    """The config of a training case: "paper" or "light"."""
    import train_test

    base = {"paper": train_test.ShapesConfig, "light": train_test.LightConfig}[network]
    changes = {"IMAGE_MIN_DIM": side, "IMAGE_MAX_DIM": side, "COMPUTE_DTYPE": dtype}
    changes["NUM_CLASSES"] = 1 + len(CLASS_NAMES)
    return type("BenchmarkConfig", (base,), changes)()


def training_model(network: str, side: int, layers: str, dtype: str):
    """The detector of a training case, ready for a step, and its config."""
    from mrcnn.model import MaskRCNN, jit
    from mrcnn.optimizer_schedule import make_optimizer
    from mrcnn.training import STAGES

    config = training_config(network, side, dtype)
    model = MaskRCNN("training", config, tempfile.mkdtemp())
    model.set_trainable(STAGES[layers], verbose=0)
    model.keras_model.compile(optimizer=make_optimizer(config, 1e-4, 100), jit_compile=jit(config))
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
    """Seconds of a training step on images of the demo; batches are made beforehand."""
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
            "images": config.BATCH_SIZE}  # fmt: skip


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
    result = {"images": config.BATCH_SIZE, "batch_seconds": (time.perf_counter() - start) / 4}

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
    return {"seconds": seconds(call, repeats), "images": batch}


def prediction(weights: str, side: int = 1024, repeats: int = 2) -> dict:
    """Seconds of the prediction of one simulated image, the network being built."""
    from engine.detector import load_detector
    from spm.inference.predict import Settings, find_molecules, image_grid
    from spm.simulate import simulate

    image, truth = simulate("network", side, seed=0)
    start = time.perf_counter()
    detector = load_detector(Path(weights))
    build = time.perf_counter() - start
    found = find_molecules(detector, image)
    spent = seconds(lambda: find_molecules(detector, image), repeats)
    grid = image_grid(detector, side, side, Settings())
    return {"seconds": spent, "build": build, "molecules": len(found), "true": len(truth.shapes),
            "tiles": len(list(grid.tiles())), "tile_side": detector.input_size}  # fmt: skip


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
    big_image, many_predictions, crowded,
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
