"""Cut a piece out of an image, to outline its molecules.

    python -m spm.crop images/NAME.png --left 150 --top 160 --width 220

Takes an image or an instrument file and writes NAME-cut.png into aug_test_in/. Pixels are copied
as they are, and the scale goes along; without numbers the middle fifth of the area is cut out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.errors import InputError
from spm.instruments.inputs import open_image
from spm.io.pixel_size import write_scaled_png
from spm.run import command_line
from spm.run.files import make_folder, safe_name
from spm.run.setting_kinds import Positional, Whole
from spm.run.settings import Settings, takes

SHARE = 0.45  # side of the piece without numbers, as a share of the image's shorter side
SMALLEST = 32  # pixels


# --- settings: change the values, the text below each says what it is ---------------------------
class Piece(Settings):
    """Which piece is cut out of which image."""

    image: Positional[Path | None] = None
    """The image, or an instrument file; must be given."""
    left: Whole | None = None
    """Pixels from the image's left edge to the piece's. None: in the middle."""
    top: Whole | None = None
    """Pixels from the image's upper edge to the piece's. None: in the middle."""
    width: Whole | None = None
    """Of the piece in pixels, 32 or more. None: 0.45 of the image's shorter side."""
    height: Whole | None = None
    """Of the piece in pixels, 32 or more. None: the width."""
    out: Path = Path("aug_test_in")
    """Folder for the piece."""
    name: str | None = None
    """Of the piece, without .png and without a folder. None: the image's with "-cut"."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing, and a name that would lie elsewhere."""
        if self.image is None:
            yield "which image? Name it: python -m spm.crop images/NAME.png"
        if self.name is not None and self.name != safe_name(self.name):
            yield (
                f"name must be a file name without folders and without the characters of paths; "
                f"the folder is given with --out. Received: {self.name!r}."
            )


# ------------------------------------------------------------------------------------------------


@takes(Piece)
def main(settings: Piece) -> int:
    """Cut a piece out of an image and say what it is.

    Raises:
        InputError: see `cut`.
    """
    target, said = cut(settings)
    print(f"{target}: {said}")
    return 0


def cut(settings: Piece) -> tuple[Path, str]:
    """Cut a piece out of an image.

    Returns:
        The piece's file, and its size and place in words.

    Raises:
        InputError: when the image cannot be read, the piece does not lie in it, or there is
            another image or annotation of its name.
    """
    image, name = settings.image, settings.name
    width, height, left, top = settings.width, settings.height, settings.left, settings.top
    opened = open_image(image)
    rows, columns = opened.image.shape[:2]
    width = round(SHARE * min(rows, columns)) if width is None else width
    height = width if height is None else height
    left = (columns - width) // 2 if left is None else left
    top = (rows - height) // 2 if top is None else top
    if min(width, height) < SMALLEST:
        raise InputError(
            f"{image}: a piece of {width} x {height} pixels is too small; "
            f"give at least {SMALLEST} x {SMALLEST}."
        )
    if min(left, top) < 0 or left + width > columns or top + height > rows:
        raise InputError(
            f"{image}: the piece ({left} to {left + width} across, {top} to {top + height} down) "
            f"does not lie in the image of {columns} x {rows} pixels; correct the numbers."
        )
    target = make_folder(settings.out) / f"{name or f'{image.stem}-cut'}.png"
    for path in (target, target.with_suffix(".json")):
        if path.exists():
            raise InputError(f"{path}: is there already; move it away or choose another --name.")
    piece = opened.image[top : top + height, left : left + width]
    write_scaled_png(target, piece, opened.nm_per_pixel)
    size = f"{width} x {height} pixels"
    if opened.nm_per_pixel:
        size += f", {width * opened.nm_per_pixel:.4g} x {height * opened.nm_per_pixel:.4g} nm"
    return target, f"{size}, from {left} across and {top} down of {columns} x {rows}"


if __name__ == "__main__":
    command_line.run(main)
