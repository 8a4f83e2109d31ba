"""What a run will cost: minutes, memory, disk; scaled from figures measured on one machine.

All of it is an estimate. The reference is a machine with two 2.4 GHz cores without AVX-512; how
much faster this one is, a short matrix product tells.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spm.run.parallel import worker_count

# Measured on the reference machine, with images of REFERENCE_SIDE pixels and 22 molecules.
REFERENCE_SIDE = 320
COPY_SECONDS = 0.042  # of one core, all data steps, for each L2/L3 copy
COPY_MEGABYTES = 0.2  # on disk, all folders together
# A step of the light training, both cores: 0.37 s on a machine 1.9 times as fast, with bfloat16.
STEP_SECONDS = 0.70
# Share of the reference machine's speed below which no machine is taken to be.
SLOWEST = 0.1
DATA_GIGABYTES = 0.2  # memory of the data steps
TRAINING_GIGABYTES = 2.1  # memory of the light training
REFERENCE_GFLOPS = 165.0  # product of two 512 x 512 float32 matrices, best of many


@dataclass(frozen=True)
class Costs:
    """What a run is expected to need.

    Attributes:
        copies: L2/L3 images.
        data_minutes: of the data steps when nothing is there yet.
        training_minutes: None when the training is not the light one.
        memory_gb: the largest at one time; None as above.
        disk_gb: of the data steps.
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
) -> Costs:
    """Estimate a run.

    Args:
        sizes: (height, width) of each annotated image.
        copies_of_each: L2/L3 copies made of each in the end.
        light_steps: steps of the light training; None for another one, which was not measured.
        folder: where the copies go; need not exist yet.
        workers: processes of the data steps; 0 is one for each core.
        speed: of this machine over the reference's; measured when not given.
    """
    speed = machine_speed() if speed is None else speed
    # Work and bytes grow with the area.
    images = sum(height * width for height, width in sizes) / REFERENCE_SIDE**2
    largest = max((height * width for height, width in sizes), default=0) / REFERENCE_SIDE**2
    # The product runs on all cores of either machine; the reference has two.
    core_speed = max(speed * 2 / worker_count(0), SLOWEST)
    cores = min(worker_count(workers), worker_count(0))
    seconds = images * copies_of_each * COPY_SECONDS / core_speed / cores
    training = None if light_steps is None else light_steps * STEP_SECONDS / speed / 60
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

    The best of many short products: other programs slow down most of them, but not all.
    """
    matrix = np.ones((512, 512), np.float32)
    best, count, end = np.inf, 0, time.perf_counter() + seconds
    while count < 20 or time.perf_counter() < end:
        count += 1
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    # On a machine busy with other things a short look says little: it is hardly slower than this.
    return max(2 * 512**3 / best / 1e9 / REFERENCE_GFLOPS, SLOWEST)


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
    said = [
        f"estimated time: {steps}{training}, "
        f"recognition not included (this machine is taken for {costs.speed:.1f} times as fast as "
        "the measured one)",
    ]
    if costs.copies:
        said.append(
            f"estimated disk: {_size(costs.disk_gb)} for {costs.copies} copies; "
            f"free: {_size(costs.free_gb)}"
        )
    if costs.memory_gb is not None:
        said.append(f"estimated memory: {_size(costs.memory_gb)}")
    return said


def _minutes(minutes: float) -> str:
    return "1 minute" if minutes < 1.5 else f"{minutes:.0f} minutes"


def _size(gigabytes: float) -> str:
    return f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{gigabytes * 1000:.0f} MB"
