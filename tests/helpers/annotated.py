"""Small annotated images for the tests of the data steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spm.io.images import write_image
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.shape import Shape

TRIANGLE = np.array([(6.0, 5.0), (30.0, 9.0), (14.0, 27.0)])
SQUARE = np.array([(40.0, 12.0), (56.0, 12.0), (56.0, 28.0), (40.0, 28.0)])


def textured(height: int, width: int, seed: int = 1) -> np.ndarray:
    """Return an (H, W, 3) uint8 image without any symmetry, channels unlike each other."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([rows * 255 // height, columns * 255 // width, 60 + (rows + columns) % 90], 2)
    return np.clip(smooth + rng.integers(-20, 20, smooth.shape), 1, 255).astype(np.uint8)


def put(
    folder: Path, name: str = "cut", height: int = 40, width: int = 64, seed: int = 1, **more
) -> Annotation:
    """Write NAME.png and NAME.json with a triangle `A1` and a square `B2`; return the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = [Shape("A1", TRIANGLE), Shape("B2", SQUARE)]
    annotation = Annotation(shapes, height, width, f"{name}.png", **more)
    write_image(folder / f"{name}.png", textured(height, width, seed))
    write_annotation(folder / f"{name}.json", annotation)
    annotation.path = folder / f"{name}.json"
    return annotation


def contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """Return the bytes of all visible files below a folder by their relative names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and not path.name.startswith(".")
    }
