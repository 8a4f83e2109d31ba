"""One image through a detector: tiles, views, merging, molecules. Knows no network.

See `spm.inference.detector` for what it asks of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import signed_area
from spm.geometry.rings import oriented
from spm.inference.detector import Detections, Detector
from spm.inference.nms import CUT_MARGIN, Detection, suppress, vote
from spm.inference.tiles import (
    Grid,
    Tile,
    make_grid,
    overlap_for,
    turn,
    turn_back,
    turn_boxes_back,
    view_count_ok,
)
from spm.structures.molecule import Molecule, set_orientations

# Share of a detection's pixels that must lie on the image and not on the padding beyond it.
ON_IMAGE = 0.5
# A molecule nearer to the image's border than this share of its diameter (at least one pixel)
# is flagged as `edge`: boxes and outlines are no more exact than that.
EDGE_SHARE = 0.03
# A part of a mask, or a hole in it, of less than this share of the largest part is no part of the
# molecule but a ragged border of the network's 28 x 28 mask.
SPECK = 0.05

_Job = tuple[Tile, int, np.ndarray]  # tile, view and image


@dataclass
class Settings:
    """How to predict. None means: as the detector says.

    Attributes:
        score_threshold: probability of being a molecule of any class, 0..1, from which one is
            reported: the sum of its classes' scores. So one whose classes look alike is not lost.
        nms_iou: mask IoU above which the lower of two answers goes, whatever their classes.
        nms_across_classes: False compares answers of the same class only, as Mask R-CNN alone.
        tile_scale: network pixels per image pixel.
        views: flipped and turned copies of each tile that vote: 1, 2, 4 or 8.
        overlap: smallest overlap of neighbouring tiles, network pixels.
        uncertain_ratio: a molecule is uncertain when its second class has at least this share of
            the first one's score.
    """

    score_threshold: float | None = None
    nms_iou: float = 0.3
    nms_across_classes: bool = True
    tile_scale: float | None = None
    views: int = 1
    overlap: int | None = None
    uncertain_ratio: float = 0.5


def find_molecules(
    detector: Detector,
    rgb: np.ndarray,
    settings: Settings | None = None,
    on_tile: Callable[[Tile, np.ndarray, list[Molecule]], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Molecule]:
    """Finds the molecules of an image of any size.

    Args:
        detector: the network, see `Detector`.
        rgb: (H, W, 3) uint8.
        settings: defaults to `Settings()`.
        on_tile: called for each tile with its input (S, S, 3) and its molecules in the tile's
            pixels, before merging; their outlines are for drawing, see
            `CroppedMask.drawn_borders`.
        progress: called with (tiles done, tiles in all) after each tile.

    Returns:
        Molecules in image coordinates, from top to bottom; none below the score threshold.

    Raises:
        InputError: for a scale or a number of views that cannot be.
    """
    settings = settings or Settings()
    grid = image_grid(detector, rgb.shape[0], rgb.shape[1], settings)
    threshold = (
        detector.score_threshold if settings.score_threshold is None else settings.score_threshold
    )
    margin = max(2.0, CUT_MARGIN * grid.size)
    found: list[Detection] = []
    tile_count = len(grid.rows) * len(grid.columns)
    for done, (tile, image, seen) in enumerate(_look(detector, rgb, grid, settings.views), 1):
        if on_tile is not None:
            size = (grid.size, grid.size)
            shown = [d for d in seen if d.objectness >= threshold]
            on_tile(tile, image, _molecules(shown, detector, 1.0, size, settings, drawn=True))
        found += _placed(seen, grid, tile, margin)
        if progress is not None:
            progress(done, tile_count)
    one_a_place = suppress(found, settings.nms_iou, settings.nms_across_classes)
    kept = _unbiased([d for d in one_a_place if d.objectness >= threshold], detector, grid)
    molecules = _molecules(kept, detector, grid.scale, rgb.shape[:2], settings)
    return sorted(set_orientations(molecules), key=lambda m: (m.centroid[1], m.centroid[0]))


def image_grid(detector: Detector, height: int, width: int, settings: Settings) -> Grid:
    """Returns the tiles that an image of this size is cut into: of the sizes that the network
    takes the one with which the least is looked at twice."""
    view_count_ok(settings.views, detector.mirror)
    scale = settings.tile_scale or detector.scale_for(height, width)
    overlap = settings.overlap
    if overlap is None:
        overlap = overlap_for(detector.molecule_size, scale)
    sizes = (detector.input_size, *detector.larger_sizes)
    grids = [make_grid(height, width, scale, size, overlap) for size in sizes]
    return min(grids, key=lambda grid: len(grid.rows) * len(grid.columns) * grid.size**2)


def _look(
    detector: Detector, rgb: np.ndarray, grid: Grid, views: int
) -> Iterator[tuple[Tile, np.ndarray, list[Detection]]]:
    """Yields (tile, its image, its detections in tile pixels); batches go across tiles."""
    pending: list[tuple[Tile, np.ndarray]] = []
    seen: list[Detection] = []
    for jobs, results in _answered(
        detector, _batched(_jobs(rgb, grid, views), detector.batch_size)
    ):
        for (tile, view, image), result in zip(jobs, results, strict=True):
            if view == 0:
                pending.append((tile, image))
            seen += _detections(result, view, grid.size)
            if view == views - 1:
                yield *pending.pop(), vote(seen, views) if views > 1 else seen
                seen = []


def _answered(
    detector: Detector, batches: Iterator[list[_Job]]
) -> Iterator[tuple[list[_Job], list[Detections]]]:
    """Yields (batch, what the detector says of each image); it looks at the next batch while one
    is being worked on."""
    with ThreadPoolExecutor(1, "network") as network:
        asked = ((b, network.submit(detector.detect, [job[2] for job in b])) for b in batches)
        now = next(asked, None)
        while now:
            ahead = next(asked, None)
            batch, answer = now
            yield batch, answer.result()
            now = ahead


def _jobs(rgb: np.ndarray, grid: Grid, views: int) -> Iterator[_Job]:
    for tile in grid.tiles():
        image = grid.cut(rgb, tile)
        for view in range(views):
            yield tile, view, turn(image, view)


def _batched(jobs: Iterator, size: int) -> Iterator[list]:
    # itertools.batched exists from Python 3.12 on only.
    while batch := list(islice(jobs, size)):
        yield batch


def _detections(result: Detections, view: int, size: int) -> list[Detection]:
    """Turns what the detector says of one view into detections in the tile's own pixels."""
    boxes = turn_boxes_back(result.boxes, view, size)
    places = np.array([mask.box for mask in result.masks]).reshape(-1, 4)
    corners = turn_boxes_back(places, view, size)[:, :2].astype(int)
    masks = [
        CroppedMask(turn_back(mask.pixels, view), top, left)
        for mask, (top, left) in zip(result.masks, corners.tolist(), strict=True)
    ]
    return [
        Detection.from_mask(box, class_scores, mask, view)
        for box, class_scores, mask in zip(boxes, result.class_scores, masks, strict=True)
    ]


def _placed(seen: list[Detection], grid: Grid, tile: Tile, margin: float) -> list[Detection]:
    """Moves a tile's detections to the lattice; leaves out what another tile sees better.

    A detection cut by an inner border of its tile gives way when some tile shows its place clear
    of all inner borders. If none does (a molecule larger than the overlap) it stays, as not whole.
    """
    if not seen:
        return []
    height, width = (length * grid.scale for length in (grid.height, grid.width))
    boxes = np.array([d.box for d in seen]) + (tile.y, tile.x, tile.y, tile.x)
    clear = grid.sees_clearly(boxes, tile, margin)
    better_elsewhere = ~clear & grid.any_sees_clearly(boxes, margin)
    placed = []
    for detection, box, whole, drop in zip(seen, boxes, clear, better_elsewhere, strict=True):
        if drop:
            continue
        on_lattice = detection.moved(box, tile.y, tile.x, bool(whole))
        cropped = _on_image(on_lattice, height, width)
        if cropped is not None:
            placed.append(cropped)
    return placed


def _on_image(detection: Detection, height: float, width: float) -> Detection | None:
    """Cuts off what lies on the padding; None when that is most of the detection."""
    # A lattice pixel belongs to the image when its centre does.
    cut = detection.mask.clipped(round(height), round(width))
    if cut.pixels.shape == detection.packed.shape:
        return detection
    if cut.area < max(1, ON_IMAGE * detection.area):
        return None
    box = np.clip(detection.box, 0, (height, width, height, width))
    cropped = Detection.from_mask(box, detection.class_scores, cut, detection.view)
    cropped.objectness, cropped.whole = detection.objectness, detection.whole
    return cropped


def _unbiased(detections: list[Detection], detector: Detector, grid: Grid) -> list[Detection]:
    """Takes the mean error of its class off the outline of each whole molecule."""
    size = round(grid.height * grid.scale), round(grid.width * grid.scale)
    unbiased = list(detections)
    outlines = [_corrected_outline(d, detector, *size) for d in detections]
    known = [k for k, outline in enumerate(outlines) if outline is not None]
    filled = CroppedMask.each_of_polygons([outlines[k] for k in known], *size)
    for k, mask in zip(known, filled, strict=True):
        if mask.area:
            unbiased[k] = replace(detections[k], packed=mask.pack(), outline=outlines[k])
    return unbiased


def _corrected_outline(
    detection: Detection, detector: Detector, height: int, width: int
) -> np.ndarray | None:
    """Returns the outline of a whole molecule on a lattice of height x width without the mean error
    of its class; None where that is not known or does not fit."""
    bias = detector.outline_bias.get(detector.class_names[detection.class_index])
    if bias is None or not detection.whole:
        return None
    mask = detection.mask
    top, left, bottom, right = mask.box
    if min(top, left) <= 0 or bottom >= height or right >= width:
        return None  # the border may have cut it
    outline = bias.corrected(mask)
    return None if outline is None else np.clip(outline, 0, (width, height))


def _molecules(
    detections: list[Detection],
    detector: Detector,
    scale: float,
    image_size: tuple[int, int],
    settings: Settings,
    drawn: bool = False,
) -> list[Molecule]:
    """Turns detections on the lattice into molecules in image coordinates."""
    return [
        molecule_of(d, detector.class_names, scale, image_size, settings.uncertain_ratio, drawn)
        for d in detections
    ]


def molecule_of(
    detection: Detection,
    class_names: list[str],
    scale: float,
    image_size: tuple[int, int],
    uncertain_ratio: float,
    drawn: bool = False,
) -> Molecule:
    """Turns one detection into a molecule, without orientation.

    Args:
        detection: on the lattice.
        class_names: the classes, background left out.
        scale: network pixels per image pixel.
        image_size: (height, width) of the image; outline and box are clipped to it.
        uncertain_ratio: see `Settings`.
        drawn: it is for a picture only; its outline need not be exact to half a pixel.
    """
    height, width = image_size
    mask = detection.mask.without_specks(SPECK)
    # Continuous coordinates: scaling needs no half-pixel shift (see spm.inference.tiles).
    # An outline that was put right (`_unbiased`) is that of a mask in one piece.
    if detection.outline is None:
        exact = mask.drawn_borders() if drawn else mask.borders()
    else:
        exact = [oriented(detection.outline)]
    borders = [np.clip(points / scale, 0, (width, height)) for points in exact]
    points = np.concatenate(borders)
    centre = mask.centroid
    box = np.clip(detection.box / scale, 0, (height, width, height, width))
    scores = detection.class_scores
    order = np.argsort(-scores, kind="stable")
    second = order[1] if len(order) > 1 and scores[order[1]] > 0 else None
    second_score = 0.0 if second is None else float(scores[second])
    return Molecule(
        class_name=class_names[order[0]],
        score=detection.score,
        box=box,
        outline=borders[0],
        area=sum(map(signed_area, borders)),
        centroid=(float(centre[0] / scale), float(centre[1] / scale)),
        edge=_touches_border(box, points, height, width),
        uncertain=second_score >= uncertain_ratio * detection.score and second is not None,
        second_class="" if second is None else class_names[second],
        second_score=second_score,
        objectness=detection.objectness,
        further=tuple(borders[1:]),
    )


def _touches_border(box: np.ndarray, points: np.ndarray, height: int, width: int) -> bool:
    near = max(1.0, EDGE_SHARE * max(box[2] - box[0], box[3] - box[1]))
    low = min(box[0], box[1], points.min())
    (right, bottom), far = points.max(axis=0), np.array([width, height]) - near
    return bool(low <= near or max(box[3], right) >= far[0] or max(box[2], bottom) >= far[1])
