"""JPK images (.jpk, .jpk-qi-image): TIFF with one channel a page and the scaling in private tags.

The first page is a thumbnail and carries the frame. A channel may be scaled in several steps
(volts, nominal, calibrated); each is a straight line from the stored numbers, and the file names
the one to be shown. Lines begin at the lower edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw
from spm.io.images import check_pixels

_WIDTH, _HEIGHT = 0x8042, 0x8043  # of the frame in metres
_NAME, _RETRACE = 0x8052, 0x8051
_SLOTS, _SHOWN, _FIRST, _STEP = 0x8080, 0x8081, 0x8090, 0x30
_SLOT_UNIT, _SLOT_KIND, _SLOT_FACTOR, _SLOT_OFFSET = 0x12, 0x13, 0x14, 0x15
_MOST_SLOTS = 40


def read(path: Path) -> list[instruments.Channel]:
    """Return the channels of a JPK image."""
    tifffile = instruments.need("tifffile", "tifffile", path)
    raw.refuse_empty(path)
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = list(tiff.pages)
            frame = _values(pages[0])
            if _WIDTH not in frame:
                raise instruments.UnknownVariant(
                    f"{path}: a TIFF without JPK's settings; {instruments.WAY_OUT}."
                )
            return [_channel(path, page, frame) for page in pages[1:]]
    except tifffile.TiffFileError as error:
        raise InputError(f"{path}: not a JPK image ({error}); check the file.") from error


def _values(page: Any) -> dict[int, Any]:
    return {tag.code: tag.value for tag in page.tags.values()}


def _channel(path: Path, page: Any, frame: dict[int, Any]) -> instruments.Channel:
    tags = _values(page)
    shape = page.shape
    if len(shape) != 2:
        raise InputError(f"{path}: a channel has the shape {shape}; the file is damaged.")
    check_pixels(shape[1], shape[0], str(path))
    if page.nbytes > path.stat().st_size and int(page.compression) == 1:
        raise InputError(f"{path}: the file ends before its pixels do; copy it again.")
    factor, offset, unit = _scaling(tags)
    return instruments.Channel(
        name=str(tags.get(_NAME) or "channel"),
        direction=instruments.BACKWARD if tags.get(_RETRACE) else instruments.FORWARD,
        unit=unit,
        values=np.ascontiguousarray(page.asarray()[::-1]) * factor + offset,
        width_nm=instruments.nanometres(float(frame[_WIDTH]), "m"),
        height_nm=instruments.nanometres(float(frame.get(_HEIGHT, 0)), "m"),
        extra={"scaled as": str(tags.get(_SHOWN, ""))},
    )


def _scaling(tags: dict[int, Any]) -> tuple[float, float, str]:
    """Return (factor, offset, unit) of the slot that the file shows."""
    count = min(int(tags.get(_SLOTS, 0)), _MOST_SLOTS)
    for i in range(count):
        slot = _FIRST + _STEP * i
        if tags.get(slot) == tags.get(_SHOWN) and tags.get(slot + _SLOT_KIND) == "LinearScaling":
            factor, offset = (float(tags[slot + key]) for key in (_SLOT_FACTOR, _SLOT_OFFSET))
            return factor, offset, str(tags.get(slot + _SLOT_UNIT, ""))
    return 1.0, 0.0, ""
