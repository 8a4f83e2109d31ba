"""Training images drawn anew for every step: a random view of an annotated image.

Geometry is one affine map (turn, flip, scale, place), applied to the pixels and to the outlines;
then brightness, contrast, noise and dropout. A view is as large as the network's image and lies
in the annotated image as far as possible.

What training must not take for background is reported as ignored regions: molecules that the
view's border cuts down to a small part, and the rim of the annotated image, where molecules
that its border cuts are usually not outlined.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.affine import apply_to_points
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import median_diameter, polygon_area


@dataclass
class Scene:
    """An annotated image to draw views from.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        outlines: N polygons (n, 2) x, y in pixels; or None when `masks` are given.
        class_ids: (N,) int, from 1.
        valid: (4, 2) rectangle of the user's image within this one; beyond it is black canvas.
        partial: True when not every molecule is outlined; then only outlined ones and their
            close surroundings teach anything.
        masks: N masks in place of outlines: a copy's masks, drawn once and stored.
        unclear: polygons (n, 2) of what teaches nothing, neither molecule nor background.
    """

    image: np.ndarray
    outlines: list | None
    class_ids: np.ndarray
    valid: np.ndarray | None = None
    partial: bool = False
    masks: Sequence[CroppedMask] | None = None
    unclear: Sequence[np.ndarray] = ()

    def __post_init__(self):
        height, width = self.image.shape[:2]
        if self.valid is None:
            self.valid = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)

    @functools.cached_property
    def areas(self) -> np.ndarray:
        """Areas (N,) of the molecules in square pixels."""
        if self.masks is not None:
            return np.array([mask.area for mask in self.masks], float)
        return np.array([polygon_area(p) for p in self.outlines], float)

    @functools.cached_property
    def whole_areas(self) -> np.ndarray:
        """Areas (N,) of the molecules; of one that the image's border cuts, at least the median
        of its class. In a corrected prediction such molecules are outlined down to slivers."""
        areas = self.areas
        if self.outlines is None:
            return areas
        cut = np.array([self._at_border(points) for points in self.outlines], bool)
        whole = areas.copy()
        for number in np.flatnonzero(cut):
            like = areas[~cut & (self.class_ids == self.class_ids[number])]
            whole[number] = max(whole[number], np.median(like)) if len(like) else whole[number]
        return whole

    def _at_border(self, points: np.ndarray) -> bool:
        """Whether an outline comes within a pixel of the annotated image's border."""
        corner, right, _, down = self.valid
        for side in (right - corner, down - corner):
            length = np.hypot(*side)
            place = (points - corner) @ (side / length)
            if place.min() <= 1 or place.max() >= length - 1:
                return True
        return False

    def moved_masks(self, matrix: np.ndarray, size: int):
        """Yields each molecule's number and its mask (size, size) bool in a view, where the view
        shows any of it."""
        if self.masks is None:
            for number, outline in enumerate(self.outlines):
                points = apply_to_points(matrix, outline)
                if (points.max(axis=0) > 0).all() and (points.min(axis=0) < size).all():
                    yield number, polygon_mask(points, size, size)
            return
        for number, stored in enumerate(self.masks):
            if not stored.pixels.size:
                continue
            top, left, bottom, right = stored.box
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
            points = apply_to_points(matrix, corners)
            if (points.max(axis=0) > -1).all() and (points.min(axis=0) < size + 1).all():
                moved = matrix.copy()
                moved[:, 2] += matrix[:, :2] @ (left, top)
                plane = np.multiply(stored.pixels, 255, dtype=np.uint8)
                mask = cv2.warpAffine(plane, _centred(moved), (size, size))
                if mask.any():
                    yield number, mask > 127

    @property
    def molecule_size(self) -> float:
        """Median diameter sqrt(4 area / pi) of the outlined molecules in pixels; 0 without any."""
        return median_diameter(self.areas)


@dataclass
class ViewSettings:
    """How views are drawn.

    Attributes:
        size: side of a view in network pixels.
        scale: network pixels per image pixel, before jitter.
        scale_jitter: the scale is multiplied by exp of a uniform number within this.
        turn: rotate by any angle; else by none.
        flip: mirror half of the views.
        whole: visible share of a molecule from which it is a target.
        sliver: visible share below which a cut molecule is background.
        rim: width of the ignored rim of the annotated image, in molecule diameters.
        cell: side of the cells that ignored regions are made of, in network pixels.
        plain: share of the views that keep the image's colours.
        brightness: largest shift, as a share of 255.
        contrast: the contrast is multiplied by exp of a uniform number within this.
        noise: largest standard deviation of the noise, as a share of 255.
        dropout: largest share of pixels set to black.
        blur: largest standard deviation of the blur in network pixels.
        shade: largest change of brightness across the view, as a share of 255.
    """

    size: int
    scale: float
    scale_jitter: float = 0.1
    turn: bool = True
    flip: bool = True
    whole: float = 0.45
    sliver: float = 0.15
    rim: float = 0.4
    cell: int = 12
    plain: float = 0.3
    brightness: float = 0.2
    contrast: float = 0.4
    noise: float = 0.05
    dropout: float = 0.05
    blur: float = 0.8
    shade: float = 0.2


# The settings that change a view's colours; with all of them 0 only its geometry is drawn.
COLOUR_CHANGES = ("brightness", "contrast", "noise", "dropout", "blur", "shade")


@dataclass
class View:
    """A drawn training image: image (S, S, 3) uint8, class ids (N,), masks (S, S, N) bool,
    and boxes (K, 4) (y1, x1, y2, x2) of regions that are neither target nor background."""

    image: np.ndarray
    class_ids: np.ndarray
    masks: np.ndarray
    ignored: np.ndarray


def draw_view(scene: Scene, settings: ViewSettings, rng: np.random.Generator) -> View:
    """Draws a random view of a scene."""
    matrix = random_map(scene, settings, rng)
    image = _warp(scene.image, matrix, settings.size)
    if rng.random() >= settings.plain:
        image = change_colours(image, settings, rng)
    size = settings.size
    class_ids, masks, cut = [], [], []
    growth = abs(np.linalg.det(matrix[:, :2]))
    for number, mask in scene.moved_masks(matrix, size):
        visible = np.count_nonzero(mask) / max(growth * scene.whole_areas[number], 1e-9)
        if visible >= settings.whole:
            class_ids.append(scene.class_ids[number])
            masks.append(mask)
        elif visible >= settings.sliver:
            cut.append(mask)
    ignored = _ignored_boxes(scene, settings, matrix, masks, cut)
    # One plane after the other in memory: what follows looks at one molecule at a time.
    planes = np.stack(masks) if masks else np.zeros((0, size, size), bool)
    return View(image, np.array(class_ids, np.int32), planes.transpose(1, 2, 0), ignored)


def random_map(scene: Scene, settings: ViewSettings, rng: np.random.Generator) -> np.ndarray:
    """Returns a random (2, 3) map from the scene's image to the view.

    The view's centre is drawn from the part of the image in which the view, were it not
    turned, would not leave it.
    """
    scale = settings.scale * np.exp(rng.uniform(-1, 1) * settings.scale_jitter)
    angle = rng.uniform(0, 2 * np.pi) if settings.turn else 0.0
    linear = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if settings.flip and rng.random() < 0.5:
        linear[:, 0] *= -1
    corner, right, _, down = scene.valid
    half = 0.5 * settings.size / scale
    place = corner.astype(float).copy()
    for side in (right - corner, down - corner):
        length = np.hypot(*side)
        margin = min(half / length, 0.5)
        place += side * rng.uniform(margin, 1 - margin)
    shift = settings.size / 2 - linear @ place
    return np.column_stack([linear, shift])


def _warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The view's pixels. Beyond the image its mirror image stands in: those regions are ignored,
    and a mirror image upsets a network less than a black corner."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.8:  # low-pass against aliasing
        image = cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1))
    return cv2.warpAffine(
        image,
        _centred(matrix),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _centred(matrix: np.ndarray) -> np.ndarray:
    """The map in OpenCV's coordinates, whose whole numbers are pixel centres."""
    half = np.array([0.5, 0.5])
    return np.column_stack([matrix[:, :2], matrix[:, :2] @ half + matrix[:, 2] - half])


def _ignored_boxes(scene, settings, matrix, masks, cut) -> np.ndarray:
    """Boxes (K, 4) that together cover the ignored regions, as runs of square cells."""
    size, cell = settings.size, settings.cell
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    region = ~polygon_mask(
        apply_to_points(matrix, _shrunk(scene.valid, settings.rim * scene.molecule_size)),
        size,
        size,
    )
    if scene.partial:
        region[:] = True
    for mask in cut:
        region |= mask
    for points in scene.unclear:
        moved = apply_to_points(matrix, points)
        if (moved.max(axis=0) > 0).all() and (moved.min(axis=0) < size).all():  # most lie elsewhere
            region |= polygon_mask(moved, size, size)
    if masks:
        known = np.any(masks, axis=0)
        if scene.partial:
            reach = max(int(0.12 * scale * scene.molecule_size), 1)
            known = cv2.dilate(known.astype(np.uint8), np.ones((2 * reach + 1,) * 2)) > 0
        region &= ~known
    cells = -(-size // cell)
    padded = np.zeros((cells * cell, cells * cell), bool)
    padded[:size, :size] = region
    share = padded.reshape(cells, cell, cells, cell).mean(axis=(1, 3))
    return _runs(share > 0.5, cell, size)


def _shrunk(rectangle: np.ndarray, width: float) -> np.ndarray:
    """The (4, 2) rectangle without a rim of `width` pixels; at least a tenth of it is left."""
    centre = rectangle.mean(axis=0)
    sides = np.hypot(*(rectangle[1] - rectangle[0])), np.hypot(*(rectangle[3] - rectangle[0]))
    x, y = (max(1 - 2 * width / side, 0.1) for side in sides)
    right, down = (rectangle[1] - rectangle[0]) / 2, (rectangle[3] - rectangle[0]) / 2
    return np.array(
        [centre + x * i * right + y * j * down for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    )


def _runs(flags: np.ndarray, cell: int, size: int) -> np.ndarray:
    """Boxes (K, 4) of the set cells: runs along rows, equal runs of neighbouring rows joined."""
    boxes, open_runs = [], {}
    for row in range(flags.shape[0] + 1):
        line = np.zeros(flags.shape[1] + 2, np.int8)
        if row < flags.shape[0]:
            line[1:-1] = flags[row]
        change = np.diff(line)
        runs = set(zip(np.flatnonzero(change > 0), np.flatnonzero(change < 0), strict=True))
        for run in [r for r in open_runs if r not in runs]:
            boxes.append((open_runs.pop(run), run[0], row, run[1]))
        for run in runs:
            open_runs.setdefault(run, row)
    return np.minimum(np.array(boxes, float).reshape(-1, 4) * cell, size)


def change_colours(
    image: np.ndarray, settings: ViewSettings, rng: np.random.Generator
) -> np.ndarray:
    """Returns the image with random brightness, contrast, shading, blur, noise and dropout."""
    if rng.random() < 0.5 and settings.blur > 0:
        sigma = rng.uniform(0.2, max(settings.blur, 0.21))
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    values = image.astype(np.float32)
    size = image.shape[0]
    values -= 128
    values *= np.exp(rng.uniform(-1, 1) * settings.contrast)
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32) * (255 * settings.shade)
    tilt = rng.uniform(-1, 1, 2).astype(np.float32)
    offset = 128 + 255 * settings.brightness * rng.uniform(-1, 1)
    values += (offset + tilt[0] * ramp[:, None] + tilt[1] * ramp[None, :])[..., None]
    if rng.random() < 0.5:
        sigma = 255 * settings.noise * rng.random()
        # Noise of a height image is the same in all channels.
        values += rng.standard_normal((size, size, 1), dtype=np.float32) * sigma
    if rng.random() < 0.3:
        share = settings.dropout * rng.random()
        values[rng.random((size, size)) < share] = 0
    return np.clip(values, 0, 255).astype(np.uint8)
