"""The seam between a detector and the rest: what prediction asks of one, and what it answers.

`engine.detector.load_detector` makes a `Detector` of a weights file. Any other network fits behind
it that turns images into `Detections`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.inference.outline_bias import OutlineBias

# Side of the four tiles that the 2022 scripts cut an image into, as a share of its side.
OLDER_TILE_SHARE = 3 / 5


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector says of one image: N instances.

    Attributes:
        boxes: (N, 4) float64 (y1, x1, y2, x2) in pixels of the image; not rounded.
        class_scores: (N, C) float32, score of each of the C classes, 0..1, in the order of
            `Detector.class_names`; the background is left out. An instance's class is that of its
            highest score.
        masks: N masks.

    Raises:
        ValueError: when shapes do not fit each other.
    """

    boxes: np.ndarray
    class_scores: np.ndarray
    masks: Sequence[CroppedMask]

    def __post_init__(self):
        count = len(self.masks)
        if self.boxes.shape != (count, 4) or self.class_scores.shape[:-1] != (count,):
            raise ValueError(
                "Detections need (N, 4) boxes, (N, C) class scores and N masks. Received: boxes "
                f"{self.boxes.shape}, class scores {self.class_scores.shape}, {count} masks."
            )

    def __len__(self) -> int:
        return len(self.masks)


@dataclass
class Detector:
    """What prediction needs to know of a trained network.

    Attributes:
        class_names: the classes, background left out.
        scale: network pixels per image pixel; None for weights of the 2022 scripts, which do not
            say it, see `scale_for`.
        input_size: side of the square images that the network takes.
        score_threshold: score from which a molecule is reported.
        detect: takes a list of up to `batch_size` (input_size, input_size, 3) uint8 RGB images, or
            all of one of the larger sizes, and returns the `Detections` of each.
        batch_size: images that `detect` works on at once.
        molecule_size: typical diameter of a molecule in image pixels, None if not known.
        name: of its weights, for the report.
        engine: what runs the network, for the report.
        mirror: whether it was trained on mirror images too. If not, classes may be mirror images of
            one another, and none is shown to it.
        outline_bias: the mean error of its outlines, of the classes for which it is known; they
            are reported without it.
        appearance: what is known of the images that it was trained on (`engine.likeness`).
        larger_sizes: sides of larger images that it takes as well.
        prepare: is told the side of the next images; it must not wait for anything.
        release: is told that no image follows, to give memory back; if one does, it is only slower.
    """

    class_names: list[str]
    scale: float | None
    input_size: int
    score_threshold: float
    detect: Callable[[list[np.ndarray]], list[Detections]]
    batch_size: int = 1
    molecule_size: float | None = None
    name: str = ""
    engine: str = ""
    mirror: bool = True
    outline_bias: Mapping[str, OutlineBias] = field(default_factory=dict)
    appearance: Mapping[str, Any] = field(default_factory=dict)
    larger_sizes: Sequence[int] = ()
    prepare: Callable[[int], None] = lambda side: None
    release: Callable[[], None] = lambda: None

    def scale_for(self, height: int, width: int) -> float:
        """Return the network pixels per image pixel for an image of this size.

        Without a scale it is the cut of the 2022 scripts: tiles of OLDER_TILE_SHARE of the image's
        (longer) side, enlarged to the network's input.
        """
        return self.scale or self.input_size / (OLDER_TILE_SHARE * max(height, width))
