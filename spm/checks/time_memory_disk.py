"""What a run will cost: minutes, memory, disk; scaled from figures measured on one machine.

All of it is an estimate. The reference is a machine with two 2.4 GHz cores without AVX-512; how
much faster this one is, a short matrix product tells.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spm.run.parallel import worker_count

# Of images of REFERENCE_SIDE pixels with 22 molecules. Measured on a machine of two cores that is
# 1.33 times as fast (AMD EPYC, bfloat16, nothing else running), and multiplied by that.
REFERENCE_SIDE = 320
COPY_SECONDS = 0.021  # of one core, all data steps, for each L2/L3 copy
COPY_MEGABYTES = 0.2  # on disk, all folders together
# A step of the light training, its share of validation and of writing weights included. In float32
# measured on two cores without AVX-512, 0.9 times as fast as the reference, where it took 0.84 s.
STEP_SECONDS = {"mixed_bfloat16": 0.344, "float32": 0.756}
START_SECONDS = 20  # until the first step is done
# Share of the reference machine's speed below which no machine is taken to be.
SLOWEST = 0.1
DATA_GIGABYTES = 0.2  # memory of the data steps
TRAINING_GIGABYTES = 2.1  # memory of the light training
REFERENCE_GFLOPS = 165.0  # product of two 512 x 512 float32 matrices, best of many
# What two cores do together, over twice what one does alone (219 and 127 GFLOPS, measured).
TWO_CORES = 0.86


@dataclass(frozen=True)
class Costs:
    """What a run is expected to need.

    Attributes:
        copies: L2/L3 images.
        data_minutes: of the data steps when nothing is there yet.
        training_minutes: None when the training is not the light one.
        memory_gb: the largest at one time; None as above.
        disk_gb: of the data steps.
        weights_gb: of the run folder while it trains, at most.
        stays_gb: of it, what is left at the end.
        free_gb: on the disk where the copies go.
        speed: of this machine over the reference's.
    """

    copies: int
    data_minutes: float
    training_minutes: float | None
    memory_gb: float | None
    disk_gb: float
    free_gb: float
    speed: float
    weights_gb: float = 0.0
    stays_gb: float = 0.0

    @property
    def minutes(self) -> float | None:
        """Data steps and training together; recognition is not in it."""
        if self.training_minutes is None:
            return None
        return self.data_minutes + self.training_minutes


def estimate(
    sizes: Sequence[tuple[int, int]],
    copies_of_each: int,
    light_steps: int | None,
    folder: Path,
    workers: int = 0,
    speed: float | None = None,
    dtype: str = "float32",
) -> Costs:
    """Estimate a run.

    Args:
        sizes: (height, width) of each annotated image.
        copies_of_each: L2/L3 copies made of each in the end.
        light_steps: steps of the light training; None for another one, which was not measured.
        folder: where the copies go; need not exist yet.
        workers: processes of the data steps; 0 is one for each core.
        speed: of this machine over the reference's; measured when not given.
        dtype: what the training computes with, a key of STEP_SECONDS.
    """
    speed = machine_speed() if speed is None else speed
    # Work and bytes grow with the area.
    images = sum(height * width for height, width in sizes) / REFERENCE_SIDE**2
    largest = max((height * width for height, width in sizes), default=0) / REFERENCE_SIDE**2
    # The product runs on all cores of either machine; the reference has two.
    core_speed = max(speed * 2 / worker_count(0), SLOWEST)
    cores = min(worker_count(workers), worker_count(0))
    seconds = images * copies_of_each * COPY_SECONDS / core_speed / cores
    training = None
    if light_steps is not None:
        training = (START_SECONDS + light_steps * STEP_SECONDS[dtype]) / speed / 60
    memory = None if light_steps is None else max(TRAINING_GIGABYTES, DATA_GIGABYTES * largest)
    return Costs(
        copies=len(sizes) * copies_of_each,
        data_minutes=seconds / 60,
        training_minutes=training,
        memory_gb=memory,
        disk_gb=images * copies_of_each * COPY_MEGABYTES / 1000,
        free_gb=free_gigabytes(folder),
        speed=speed,
    )


def machine_speed(seconds: float = 0.3) -> float:
    """Return the speed of this machine's matrix product over the reference machine's.

    The better of two looks, each at the best of many short products: of all cores, by the clock,
    which other programs disturb; and of one core, by its own processor time, for two of them.
    """
    from threadpoolctl import threadpool_limits

    gflops = _gflops(time.perf_counter, seconds / 2)
    with threadpool_limits(1):
        alone = _gflops(time.thread_time, seconds / 2)
    cores = min(worker_count(0), 2)
    gflops = max(gflops, alone * (2 * TWO_CORES if cores == 2 else 1))
    return max(gflops / REFERENCE_GFLOPS, SLOWEST)


def _gflops(clock: Callable[[], float], seconds: float) -> float:
    """Return the best of the products that fit into some seconds, 20 or more."""
    matrix = np.ones((512, 512), np.float32)
    best, count, end = np.inf, 0, time.perf_counter() + seconds
    while count < 20 or time.perf_counter() < end:
        count += 1
        start = clock()
        matrix @ matrix
        taken = clock() - start
        if taken > 0:  # a coarse clock (Windows: 16 ms of processor time) may not have moved
            best = min(best, taken)
    return 2 * 512**3 / best / 1e9


def is_busy() -> bool:
    """Return whether other programs keep the processor busy; False where the system does not
    tell."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return load > worker_count(0)


def free_gigabytes(folder: Path) -> float:
    """Return the free space of the disk that a folder, or the first parent that exists, is on."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


def lines(costs: Costs) -> list[str]:
    """Return the estimate as sentences."""
    training = (
        "training was not measured for this network"
        if costs.training_minutes is None
        else f"training about {_minutes(costs.training_minutes)}"
    )
    steps = f"data steps about {_minutes(costs.data_minutes)} at most, " if costs.copies else ""
    busy = "; longer while other programs keep it busy, as now" if is_busy() else ""
    said = [
        f"estimated time: {steps}{training}, "
        f"without recognition (this computer: {costs.speed:.1f} times the speed of the one that "
        f"was measured{busy})",
    ]
    disk = []
    if costs.copies:
        disk.append(f"{size_text(costs.disk_gb)} for {costs.copies} copies")
    if costs.weights_gb:
        disk.append(
            f"{size_text(costs.weights_gb)} for weights while it trains, "
            f"{size_text(costs.stays_gb)} of it remain"
        )
    if disk:
        said.append(f"estimated disk: {'; '.join(disk)}; free: {size_text(costs.free_gb)}")
    if costs.memory_gb is not None:
        said.append(f"estimated memory: {size_text(costs.memory_gb)}")
    return said


def _minutes(minutes: float) -> str:
    return "1 minute" if minutes < 1.5 else f"{minutes:.0f} minutes"


def size_text(gigabytes: float) -> str:
    """Return a size in words."""
    return f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{gigabytes * 1000:.0f} MB"
