"""Two workers against one on this machine: `python benchmarks/scaling.py train` or `predict`.

    train                     a step of the light network on PyTorch; the toy images are drawn
    predict WEIGHTS IMAGES  a folder of images on a dask cluster of two workers

Workers on one machine share its cores, so what is measured is what sharing costs. Each is held to
one core; "one worker, 2 cores" is the same program on both. Besides the seconds by the clock the
table has processor seconds, which other programs on the machine disturb less.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

STEPS, WARM_UP = 12, 2
CONFIGURATIONS = (  # words, workers, cores of each, images of each
    ("one worker, 1 core, 4 images", 1, 1, 4),
    ("one worker, 2 cores, 8 images", 1, 2, 8),
    ("two workers, 1 core each, 4 images each", 2, 1, 4),
)


def environment(**variables) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}


# --- training ----------------------------------------------------------------------------------


def train() -> None:
    for words, workers, cores, images in CONFIGURATIONS:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        children = [
            subprocess.Popen(
                [sys.executable, __file__, "train-worker", str(workers), str(images)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(
                    KERAS_BACKEND="torch", OMP_NUM_THREADS=str(cores), RANK=str(rank),
                    LOCAL_RANK=str(rank), WORLD_SIZE=str(workers), MASTER_ADDR="127.0.0.1",
                    MASTER_PORT=port, CORES=",".join(str(rank * cores + k) for k in range(cores)),
                ),
            )
            for rank in range(workers)
        ]  # fmt: skip
        found = [result_of(child) for child in children]
        wall = max(one["wall"] for one in found)
        spent = sum(one["spent"] for one in found)
        total = workers * images
        print(
            f"| {words} | {wall:.2f} | {total / wall:.2f} | {spent / total:.2f} |",
            flush=True,
        )


def result_of(child: subprocess.Popen) -> dict:
    """What a worker measured; RuntimeError with its last words when it failed."""
    output, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(f"a worker failed:\n{errors[-2000:]}")
    return json.loads(output.splitlines()[-1])


def train_worker(workers: int, images: int) -> None:
    """One process of a training; prints its seconds a step."""
    os.sched_setaffinity(0, {int(core) for core in os.environ["CORES"].split(",")})
    import keras
    import numpy as np

    import train_test
    from mrcnn import distributed, utils
    from mrcnn.model import MaskRCNN

    class Discs(utils.Dataset):
        """Views with a lattice of discs, drawn anew each time."""

        def load_sample(self, image_id, rng):
            side = train_test.LightConfig.IMAGE_MAX_DIM
            y, x = np.mgrid[:side, :side]
            places = np.linspace(side / 6, side * 5 / 6, 3)
            centres = rng.uniform(-4, 4, (9, 2)) + [(a, b) for a in places for b in places]
            masks = np.stack([np.hypot(y - a, x - b) < side / 9 for a, b in centres], axis=-1)
            image = rng.normal(60, 10, (side, side, 3)) + 100 * masks.any(axis=2)[..., None]
            return image.clip(0, 255).astype(np.uint8), np.ones(9, int), masks, []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == WARM_UP - 1:
                self.start = time.perf_counter(), time.process_time()
            if batch == STEPS - 1:
                steps = STEPS - WARM_UP
                self.wall = (time.perf_counter() - self.start[0]) / steps
                self.spent = (time.process_time() - self.start[1]) / steps

    changes = {
        "NUM_CLASSES": 2, "GPU_COUNT": workers, "IMAGES_PER_GPU": images,
        "STEPS_PER_EPOCH": STEPS, "VALIDATION_STEPS": 0, "COMPUTE_DTYPE": "float32",
    }  # fmt: skip
    distributed.join()
    dataset = Discs()
    dataset.add_class("discs", 1, "disc")
    for number in range(8):
        dataset.add_image("discs", number, None)
    dataset.prepare()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = type("Timed", (train_test.LightConfig,), changes)()
        model = MaskRCNN("training", config, folder)
        model.train(dataset, None, 0.001, 1, "all", custom_callbacks=[clock], verbose=0)
    print(json.dumps({"wall": clock.wall, "spent": clock.spent}))


# --- prediction --------------------------------------------------------------------------------


def predict(weights: str, images: str) -> None:
    count = len([path for path in Path(images).iterdir() if path.is_file()])
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, str(ROOT / "predict_big_pic.py"), images, "--weights", weights,
            "--out-dir",
        ]  # fmt: skip
        for words, cores in (("one process, 1 core", {0}), ("one process, 2 cores", {0, 1})):
            start, before = time.perf_counter(), os.times()
            child = subprocess.Popen(
                [*command, f"{folder}/{len(cores)}"],
                env=environment(),
                preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
            )
            assert child.wait() == 0
            spent = sum(os.times()[2:4]) - sum(before[2:4])
            _print(words, time.perf_counter() - start, spent, count)
        _predict_on_cluster([*command, f"{folder}/cluster"], folder, count)


def _predict_on_cluster(command: list[str], folder: str, count: int) -> None:
    import psutil
    from distributed import Client

    file = Path(folder) / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment()}
    local = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    children = [subprocess.Popen([*dask, "scheduler", "--port", "0", *local], cwd=ROOT, **quiet)]
    try:
        while not file.exists():
            time.sleep(0.1)
        settings = ["--no-nanny", "--nthreads", "1", "--no-dashboard"]
        for core in (0, 1):
            children.append(
                subprocess.Popen(
                    [*dask, "worker", "--scheduler-file", str(file), *settings],
                    cwd=ROOT,
                    preexec_fn=lambda core=core: os.sched_setaffinity(0, {core}),
                    **quiet,
                )
            )
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2)
            address = client.scheduler.address
        processes = [psutil.Process(child.pid) for child in children]
        before = [sum(process.cpu_times()[:2]) for process in processes]
        start, own = time.perf_counter(), os.times()
        subprocess.run([*command, "--scheduler", address], env=environment(), check=True)
        wall = time.perf_counter() - start
        spent = sum(sum(process.cpu_times()[:2]) for process in processes) - sum(before)
        spent += sum(os.times()[2:4]) - sum(own[2:4])
        _print("two workers, 1 core each", wall, spent, count)
    finally:
        for child in children:
            child.kill()
            child.wait()


def _print(words: str, wall: float, spent: float, count: int) -> None:
    print(f"| {words} | {wall:.1f} | {count / wall:.2f} | {spent / count:.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--help"]):
        print(__doc__)
    elif sys.argv[1] == "train-worker":
        train_worker(*(int(n) for n in sys.argv[2:4]))
    elif sys.argv[1] == "train":
        print("| what | s a step | images a second | processor s an image |\n|---|---|---|---|")
        train()
    else:
        print("| what | s | images a second | processor s an image |\n|---|---|---|---|")
        predict(*sys.argv[2:4])
