"""Which image a predicted JSON names, so that labelme shows the pixels that were predicted.

labelme 6.3.1 refuses 16-bit grey PNG, CMYK JPEG, and GIF, BMP and TIFF with a palette; it lays a
16-bit TIFF stack on its side, stretches other 16-bit TIFF between minimum and maximum, and turns
whatever does not end in .png, .jpg or .jpeg into a JPEG before it shows or embeds it
(findings/labelme_refused.sh).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spm.errors import InputError
from spm.io.images import image_header
from spm.io.pixel_size import write_scaled_png
from spm.report.result_files import link

# The only endings whose bytes labelme passes on unchanged ...
SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
# ... to Qt, which knows these by their content, ...
FORMATS = frozenset({"PNG", "JPEG", "MPO", "BMP"})
# ... after it has checked Pillow's mode.
MODES = frozenset({"1", "L", "P", "RGB", "RGBA", "LA"})


def shown_by_labelme(path: Path) -> bool:
    """Return whether labelme shows a file as it was predicted, by its ending and its header."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        header = image_header(path)
    except InputError:  # an instrument file
        return False
    return header.format in FORMATS and header.mode in MODES and header.orientation == 1


def image_for_labelme(
    path: Path, image: np.ndarray, nm_per_pixel: float | None, out_dir: Path, name: str
) -> str:
    """Return the image's path for the JSON, as seen from `out_dir`.

    That is the predicted file itself where labelme shows it; else an 8-bit PNG with its scale,
    which is written to `out_dir` as NAME.png (NAME_8bit.png where that is the predicted file).

    Args:
        path: the predicted file, an image or an instrument file.
        image: (H, W, 3) uint8 RGB, what was predicted.
        nm_per_pixel: None when it is not known.
        out_dir: folder of the results.
        name: NAME of the results, see `output_names`.
    """
    if shown_by_labelme(path):
        return link(path, out_dir)
    copy = out_dir / f"{name}.png"
    if copy.exists() and copy.samefile(path):
        copy = out_dir / f"{name}_8bit.png"
    write_scaled_png(copy, image, nm_per_pixel)
    return link(copy, out_dir)
