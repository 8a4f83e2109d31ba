"""Measure this machine: data steps, training steps, prediction, start-up.

    python benchmarks/run.py [--weights FILE] [--quick]

prints a table and writes benchmarks/results.json. Every figure that depends on the machine stands
beside a yardstick measured in the same run, so that their ratio compares between machines. Each
case runs in a process of its own; the peak memory is that of its whole process tree.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

SCRIPTS = (
    "workflow.py", "train_test.py", "predict_big_pic.py", "evaluate.py", "tsne_analysis.py",
    "pre_draw_mask.py", "re_write_mask.py", "fast_json_to_dataset.py",
    "Images_Augmentation/geo_aug_img_json.py", "Images_Augmentation/color_aug_img_json.py",
)  # fmt: skip


def watched(command: list[str]) -> tuple[str, float, float]:
    """Runs a command; returns its output, seconds, and the peak memory of its tree in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    output, errors = process.communicate()
    spent = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return output, spent, peak[0]


def _watch(process: subprocess.Popen, peak: list[float]) -> None:
    tree = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        try:
            for member in [tree, *tree.children(recursive=True)]:
                total += _memory(member)
        except psutil.Error:
            pass  # a process that ended between listing and asking has no memory to count
        peak[0] = max(peak[0], total / 1e6)
        time.sleep(0.1)


def _memory(process: psutil.Process) -> int:
    """Bytes of a process; pages that several share count for each its part, where that is known."""
    info = process.memory_full_info()
    return getattr(info, "pss", info.rss)


def case(name: str, **arguments):
    """Result of a case in a process of its own, and the peak memory in MB."""
    texts = [f"{key}={value}" for key, value in arguments.items()]
    output, _, peak = watched([sys.executable, str(HERE / "cases.py"), name, *texts])
    line = next(x for x in output.splitlines() if x.startswith("RESULT "))
    return json.loads(line[len("RESULT ") :]), peak


def measure_data(rows: list[dict]) -> None:
    found, peak = case("data_steps")
    yardstick = found.pop()["seconds"]
    for row in found:
        rows.append({"group": "data steps", "peak_mb": peak, "yardstick": yardstick, **row})
    total = sum(row["seconds"] for row in found[:-1])
    size = sum(row["bytes"] for row in found[:-1])
    rows.append({"group": "data steps", "case": "all five", "seconds": total, "bytes": size,
                 "peak_mb": peak, "yardstick": yardstick})  # fmt: skip


def measure_training(rows: list[dict], quick: bool) -> None:
    from mrcnn.devices import best_dtype

    dtypes = ["float32"] + (["mixed_bfloat16"] if best_dtype() == "mixed_bfloat16" else [])
    settings = [("light", 192, 4, "all", dtype) for dtype in dtypes]
    for side in () if quick else (320, 512):
        settings += [("paper", side, 2, layers, t) for layers in ("heads", "all") for t in dtypes]
    for network, side, batch, layers, dtype in settings:
        yard, _ = case("resnet50", side=side, batch=batch, dtype=dtype)
        found, peak = case("training_step", network=network, side=side, layers=layers, dtype=dtype)
        name = f"{network}, {side} x {side} x {batch}, {layers}, {dtype}"
        rows.append({"group": "training step", "case": name, "peak_mb": peak,
                     "yardstick": yard["seconds"], **found})  # fmt: skip


def measure_prediction(rows: list[dict], weights: str, quick: bool) -> None:
    for side in (1024,) if quick else (1024, 4096):
        found, peak = case("prediction", weights=weights, side=side)
        batch = 4
        yard, _ = case("resnet50", side=found["tile_side"], batch=batch, train=False)
        yardstick = yard["seconds"] / batch * found["tiles"]
        rows.append({"group": "prediction", "case": f"{side} x {side}, network built",
                     "peak_mb": peak, "yardstick": yardstick, **found})  # fmt: skip
    command = [sys.executable, "predict_big_pic.py", "images/00.png", "--weights", weights]
    _, spent, peak = watched(command)
    rows.append({"group": "prediction", "case": "images/00.png, from process start to result",
                 "seconds": spent, "peak_mb": peak})  # fmt: skip


def measure_start(rows: list[dict]) -> None:
    for script in SCRIPTS:
        spent = sorted(watched([sys.executable, script, "--help"])[1] for _ in range(3))[1]
        rows.append({"group": "start-up", "case": f"{script} --help", "seconds": spent})


def table(rows: list[dict]) -> str:
    """The results as a Markdown table."""
    lines = ["| group | case | seconds | ratio to yardstick | peak MB | MB written | notes |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        ratio = f"{row['seconds'] / row['yardstick']:.2f}" if row.get("yardstick") else ""
        peak = f"{row['peak_mb']:.0f}" if row.get("peak_mb") else ""
        size = f"{row['bytes'] / 1e6:.0f}" if "bytes" in row else ""
        names = ("images", "first_step", "batch_seconds", "build", "molecules", "tiles")
        notes = ", ".join(f"{k} {row[k]:.3g}" for k in names if k in row)
        lines.append(
            f"| {row['group']} | {row['case']} | {row['seconds']:.3g} | {ratio} | {peak} | {size} "
            f"| {notes} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", help="weights file for prediction; the last trained one")
    parser.add_argument("--quick", action="store_true", help="only the light network")
    options = parser.parse_args()
    from engine.checkpoints import newest_weights
    from spm.run.provenance import describe_run

    weights = options.weights or str(newest_weights(ROOT / "logs"))
    rows: list[dict] = []
    rate, _ = case("matrix_product")
    measure_start(rows)
    measure_data(rows)
    measure_training(rows, options.quick)
    measure_prediction(rows, weights, options.quick)
    record = {**describe_run(), "cores": psutil.cpu_count(), "gflops": rate["gflops"], "rows": rows}
    (HERE / "results.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(f"{record['machine']}, {record['cores']} cores, {rate['gflops']:.0f} GFLOPS (float32)")
    print(table(rows))


if __name__ == "__main__":
    main()
