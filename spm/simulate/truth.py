"""The exact truth of a simulated image as a labelme annotation."""

from __future__ import annotations

import numpy as np

from spm.geometry.polygons import clip_polygon, polygon_area
from spm.simulate.distortion import Distortion
from spm.simulate.frame import Frame
from spm.simulate.lattice import Arrangement, Placement, rotation
from spm.structures.annotation import Annotation
from spm.structures.shape import Shape

SMALLEST_VISIBLE = 0.02  # share of a molecule below which the truth does not mention it


def placed_outline(placement: Placement, frame: Frame, distortion: Distortion) -> np.ndarray:
    """Return the whole outline (n, 2) of a placed molecule in image coordinates."""
    turned = frame.drawings[placement.class_name].outline @ rotation(placement.angle).T
    return distortion.to_image(turned * frame.scale + (placement.x, placement.y))


def truth_annotation(
    arrangement: Arrangement,
    frame: Frame,
    distortion: Distortion,
    *,
    image_name: str,
    facts: dict,
) -> Annotation:
    """Outline every molecule that shows in the image.

    Args:
        facts: what the annotation says about the whole image (key "simulation").

    Returns:
        The annotation; labels are numbered per class from the top of the image.  Points are
        clipped to the image.  Shape.flags: "edge" True when the image's border cuts the
        molecule.  Shape.extra: "visible" (share of the area in the image, 0..1), "centre"
        [x, y] and "angle" (degrees, clockwise), and, when cut, "full_points" (whole outline).
    """
    height, width = frame.shape
    found = []
    for placement in arrangement.placements:
        full = placed_outline(placement, frame, distortion)
        low, high = full.min(0), full.max(0)
        if high[0] <= 0 or high[1] <= 0 or low[0] >= width or low[1] >= height:
            continue
        cut = bool(low.min() < 0 or high[0] > width or high[1] > height)
        points = clip_polygon(full, width, height) if cut else full
        visible = polygon_area(points) / polygon_area(full) if cut else 1.0
        if visible >= SMALLEST_VISIBLE:
            found.append((placement, full, points, cut, visible))
    # Reading order, rows of about a molecule: labels stay readable and do not depend on domains.
    found.sort(key=lambda f: (f[0].y // (60 * frame.scale), f[0].x))
    numbers: dict[str, int] = {}
    shapes = []
    for placement, full, points, cut, visible in found:
        numbers[placement.class_name] = numbers.get(placement.class_name, 0) + 1
        centre = distortion.to_image(np.array([[placement.x, placement.y]]))[0]
        extra = {
            "visible": round(visible, 4),
            "centre": np.round(centre, 2).tolist(),
            "angle": round(placement.angle, 2),
        }
        if cut:
            extra["full_points"] = np.round(full, 2).tolist()
        label = f"{placement.class_name}{numbers[placement.class_name]}"
        flags = {"edge": cut}
        if placement.scrambled:
            flags["scrambled"] = True
        shapes.append(Shape(label, np.round(points, 2), flags=flags, extra=extra))
    return Annotation(shapes, height, width, image_name, extra={"simulation": facts})
