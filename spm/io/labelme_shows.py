"""Which image files labelme shows with the pixels that are read here.

labelme 6.3.1 refuses 16-bit grey PNG, CMYK JPEG, and GIF, BMP and TIFF with a palette; it lays a
16-bit TIFF stack on its side, stretches other 16-bit TIFF between minimum and maximum, and turns
whatever does not end in .png, .jpg or .jpeg into a JPEG before it shows or embeds it
(findings/labelme_refused.sh); what has an alpha channel it turns into a PNG.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from spm.errors import InputError
from spm.io.images import image_header
from spm.run.files import atomic_path

# The only endings whose bytes labelme passes on unchanged ...
SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
# ... to Qt, which knows these by their content, ...
FORMATS = frozenset({"PNG", "JPEG", "MPO", "BMP"})
# ... after it has checked Pillow's mode.
MODES = frozenset({"1", "L", "P", "RGB", "RGBA", "LA"})
DIFFERENCES = {317: 2}  # TIFF's tag "Predictor"
LABELME_IMAGE = ".tif"  # ending of the image beside a prediction, see `write_opaque_tiff`


def shown_by_labelme(path: Path) -> bool:
    """Return whether labelme shows a file as it is read here, by its ending and its header."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        header = image_header(path)
    except InputError:  # an instrument file
        return False
    return header.format in FORMATS and header.mode in MODES and header.orientation == 1


def write_opaque_tiff(path: Path, image: np.ndarray) -> None:
    """Write an image as TIFF with an alpha channel that is full everywhere, atomically: the only
    TIFF whose very pixels labelme shows and embeds.

    By LZW of differences between neighbours, a seventh of deflate's time for 5 % more bytes
    (a simulated image of 1024 x 1024).

    Args:
        path: ends in .tif.
        image: (H, W, 3) uint8 RGB.
    """
    image = Image.fromarray(np.ascontiguousarray(image))
    image.putalpha(255)
    with atomic_path(path) as temporary:
        image.save(temporary, format="TIFF", compression="tiff_lzw", tiffinfo=DIFFERENCES)
