"""One measurement each, in a process of its own: `python benchmarks/cases.py NAME key=value ...`
prints a line of JSON. `run.py` calls it and watches the memory."""

from __future__ import annotations

import ast
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def seconds(function, repeats: int = 5) -> float:
    """Median seconds of a call, after one that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several hard links counts once."""
    found = {
        (s.st_dev, s.st_ino): s.st_size
        for p in folder.rglob("*")
        if (s := p.stat()) and p.is_file()
    }
    return sum(found.values())


def data_steps(aug_times: int = 56) -> list[dict]:
    """The five data steps on the demo's crop, and PNG encoding of the copies as a yardstick."""
    import fast_json_to_dataset
    import pre_draw_mask
    import re_write_mask
    from Images_Augmentation import color_aug_img_json, geo_aug_img_json
    from spm.picture import encode_png, read_picture

    house = Path(tempfile.mkdtemp())
    source, copies, cache, dataset = (house / n for n in ("in", "before", "cache", "dataset"))
    source.mkdir()
    for name in ("00-cut.png", "00-cut.json"):
        shutil.copy(ROOT / "aug_test_in" / name, source)
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
    counts = {"L1": 72, "label pictures": 72}
    rows, before = [], 0
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        spent, after = time.perf_counter() - start, folder_bytes(house)
        pictures = counts.get(name, 72 * aug_times)
        rows.append({"case": name, "seconds": spent, "pictures": pictures, "bytes": after - before})
        before = after
    start = time.perf_counter()
    for step in steps.values():
        step()
    rows.append({"case": "all again, up to date", "seconds": time.perf_counter() - start})
    some = [read_picture(p) for p in sorted(copies.glob("*.png"))[::40]]
    each = seconds(lambda: [encode_png(p) for p in some], 3) / len(some)
    rows.append({"case": "yardstick: PNG encoding", "seconds": each * 72 * aug_times})
    shutil.rmtree(house)
    return rows


def training_config(network: str, side: int, dtype: str):
    """The config of a training case: "paper" or "light"."""
    import train_test

    base = {"paper": train_test.ShapesConfig, "light": train_test.LightConfig}[network]
    changes = {"IMAGE_MIN_DIM": side, "IMAGE_MAX_DIM": side, "COMPUTE_DTYPE": dtype}
    return type("BenchmarkConfig", (base,), changes)()


def training_step(network="paper", side=320, layers="all", dtype="float32", repeats=5) -> dict:
    """Seconds of a training step on pictures of the demo; batches are made beforehand."""
    import train_test
    from Images_Augmentation.online_aug import ViewSettings
    from mrcnn.batches import DataGenerator
    from mrcnn.model import MaskRCNN, _jit
    from mrcnn.training import STAGES, make_optimizer
    from spm.training_data import median_diameter, outlined_sources

    config = training_config(network, side, dtype)
    sources = outlined_sources(ROOT / "aug_test_in")
    config.SCALE = config.MOLECULE_PIXELS / median_diameter(sources)
    dataset = train_test.MoleculeDataset()
    views = ViewSettings(size=side, scale=config.SCALE)
    dataset.load_shapes(sources, train_test.CLASS_NAMES, views)
    model = MaskRCNN("training", config, tempfile.mkdtemp())
    model.set_trainable(STAGES[layers], verbose=0)
    model.keras_model.compile(optimizer=make_optimizer(config, 1e-4, 100), jit_compile=_jit(config))
    batches = DataGenerator(dataset, config, steps=4)
    start = time.perf_counter()
    made = [batches[k][0] for k in range(2)]
    batch_seconds = (time.perf_counter() - start) / 2
    start = time.perf_counter()
    model.keras_model.train_on_batch(made[0])
    first = time.perf_counter() - start
    step = seconds(lambda: model.keras_model.train_on_batch(made[1]), repeats)
    return {"seconds": step, "first_step": first, "batch_seconds": batch_seconds,
            "pictures": config.BATCH_SIZE}  # fmt: skip


def resnet50(side=320, batch=2, train=True, dtype="float32", repeats=5) -> dict:
    """The yardstick: forward (and backward) of keras.applications.ResNet50 without its top."""
    import keras
    import numpy as np

    keras.mixed_precision.set_global_policy(dtype)
    trunk = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg")
    trunk.compile(optimizer="sgd", loss="mse", jit_compile=False)
    x = np.random.default_rng(0).random((batch, side, side, 3), np.float32)
    y = np.zeros((batch, 2048), np.float32)
    call = (lambda: trunk.train_on_batch(x, y)) if train else (lambda: trunk.predict_on_batch(x))
    return {"seconds": seconds(call, repeats), "pictures": batch}


def prediction(weights: str, side: int = 1024, repeats: int = 2) -> dict:
    """Seconds of the prediction of one simulated picture, the network being built."""
    from predict_big_pic import load_detector
    from spm.prediction import Settings, picture_grid, predict_picture
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


def matrix_product(side: int = 2048) -> dict:
    """The machine's floating-point rate: a large float32 matrix product on the backend."""
    import numpy as np
    from keras import ops

    a = ops.convert_to_tensor(np.random.default_rng(0).random((side, side), np.float32))
    spent = seconds(lambda: ops.convert_to_numpy(ops.matmul(a, a)))
    return {"seconds": spent, "gflops": 2 * side**3 / spent / 1e9}


CASES = {f.__name__: f for f in (data_steps, training_step, resnet50, prediction, matrix_product)}

if __name__ == "__main__":
    arguments = {}
    for text in sys.argv[2:]:
        key, value = text.split("=", 1)
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[key] = value
    print("RESULT " + json.dumps(CASES[sys.argv[1]](**arguments)))
