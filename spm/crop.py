"""Cut a piece out of a picture, to outline its molecules: python -m spm.crop PICTURE.

Takes a picture or an instrument file and writes NAME-cut.png into aug_test_in/. Pixels are copied
as they are, and the scale goes along; without numbers the middle fifth of the area is cut out.
"""

from __future__ import annotations

from pathlib import Path

from spm.errors import InputError
from spm.instruments.inputs import open_picture
from spm.io.pixel_size import write_scaled_png
from spm.run import command_line
from spm.run.files import make_folder

OUT = Path("aug_test_in")  # where the piece goes
SHARE = 0.45  # side of the piece without numbers, as a share of the picture's shorter side
SMALLEST = 32  # pixels


def main(
    *,
    picture: Path | None = None,
    left: int | None = None,
    top: int | None = None,
    width: int | None = None,
    height: int | None = None,
    out: Path = OUT,
    name: str | None = None,
) -> int:
    """Cut a piece out of a picture.

    Args:
        picture: the picture, or an instrument file.
        left: pixels from the picture's left edge to the piece's; in the middle if not given.
        top: pixels from the picture's upper edge to the piece's; in the middle if not given.
        width: of the piece in pixels; 0.45 of the picture's shorter side if not given.
        height: of the piece in pixels; the width if not given.
        out: folder for the piece.
        name: of the piece, without .png; the picture's with "-cut" if not given.

    Raises:
        InputError: when the picture cannot be read, the piece does not lie in it, or there is
            another picture or annotation of its name.
    """
    if picture is None:
        raise InputError("which picture? Name it: python -m spm.crop images/NAME.png")
    opened = open_picture(picture)
    rows, columns = opened.picture.shape[:2]
    width = round(SHARE * min(rows, columns)) if width is None else width
    height = width if height is None else height
    left = (columns - width) // 2 if left is None else left
    top = (rows - height) // 2 if top is None else top
    if min(width, height) < SMALLEST:
        raise InputError(
            f"{picture}: a piece of {width} x {height} pixels is too small; "
            f"give at least {SMALLEST} x {SMALLEST}."
        )
    if min(left, top) < 0 or left + width > columns or top + height > rows:
        raise InputError(
            f"{picture}: the piece ({left} to {left + width} across, {top} to {top + height} down) "
            f"does not lie in the picture of {columns} x {rows} pixels; correct the numbers."
        )
    target = make_folder(out) / f"{name or f'{picture.stem}-cut'}.png"
    for path in (target, target.with_suffix(".json")):
        if path.exists():
            raise InputError(f"{path}: is there already; move it away or choose another --name.")
    piece = opened.picture[top : top + height, left : left + width]
    write_scaled_png(target, piece, opened.nm_per_pixel)
    size = f"{width} x {height} pixels"
    if opened.nm_per_pixel:
        size += f", {width * opened.nm_per_pixel:.4g} x {height * opened.nm_per_pixel:.4g} nm"
    print(f"{target}: {size}, from {left} across and {top} down of {columns} x {rows}")
    return 0


if __name__ == "__main__":
    command_line.run(main, positional=("picture",))
