"""Reading and writing images: whatever a microscope's program saved becomes (H, W, 3) uint8 RGB.

Images are known by their content, never by the ending of their name. Paths go through Python's
own file functions, because OpenCV's cannot open names outside the system's code page on Windows.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from spm.errors import InputError
from spm.io.deep_colour import decode_deep, deep_size, scale_grey
from spm.run.files import visible_files, write_bytes

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".ppm", ".pgm"}
)
# An image of more pixels is refused before it is unpacked, for it could fill the memory. The
# switch is the environment variable SPM_MAX_MEGAPIXELS. The default lets 16384 x 16384 pass.
MAX_MEGAPIXELS = 300.0

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image of any common format.

    Grey becomes three equal channels. 16-bit, 32-bit and float grey is spread linearly between its
    0.1 and 99.9 percentiles (NaN becomes black); 16-bit colour keeps the upper 8 of the bits that
    it uses (`spm.io.deep_colour`). A transparent image is laid on black. The EXIF rotation is
    applied. Of an animation or a stack the first image is taken, with a notice on stderr.

    Returns:
        (H, W, 3) uint8 RGB, C order.

    Raises:
        InputError: when the file is missing, truncated, too large or no image.
    """
    path = Path(path)
    return decode_image(read_bytes(path), str(path))


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode the bytes of an image file like `read_image`; `name` is for messages."""
    if is_plain_png(data):
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if array is not None:
            return array
    if size := deep_size(data, name):
        check_pixels(size[1], size[0], name)
    elif data[:8] == _PNG and len(data) > 32:
        check_pixels(*struct.unpack(">II", data[16:24]), name)
    deep = decode_deep(data, name)
    if deep is not None:
        return deep
    with _opened(data, name) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # MPO: a photograph with its preview
            print(f"{name}: has {frames} images; the first one is used.", file=sys.stderr)
        image.load()
        return np.ascontiguousarray(_to_rgb(ImageOps.exif_transpose(image)))


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return (H, W) as `read_image` would give it, from the file's header only."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            header = file.read(32)
            if header[:8] == _PNG and header[12:16] == b"IHDR" and not _may_turn(file):
                width, height = struct.unpack(">II", header[16:24])
                check_pixels(width, height, str(path))
                return height, width
    except OSError as error:
        raise _unreadable(path, error) from error
    return decoded_size(read_bytes(path), str(path))


@dataclass(frozen=True)
class ImageHeader:
    """What an image file says before its pixels.

    Attributes:
        format: Pillow's name of the format, for example "PNG".
        mode: Pillow's mode, for example "I;16".
        orientation: EXIF's number, 1 to 8; 1 is upright.
    """

    format: str
    mode: str
    orientation: int


def image_header(path: str | os.PathLike) -> ImageHeader:
    """Return what an image file says of itself without unpacking its pixels.

    Raises:
        InputError: when the file is missing, too large or no image.
    """
    path = Path(path)
    with _opened(read_bytes(path), str(path)) as image:
        return ImageHeader(image.format or "", image.mode, image.getexif().get(0x0112, 1))


def decoded_size(data: bytes, name: str) -> tuple[int, int]:
    """Return (H, W) of the image in `data` without unpacking its pixels."""
    if size := deep_size(data, name):
        check_pixels(size[1], size[0], name)
        return size
    with _opened(data, name) as image:
        width, height = image.size
        if image.format == "TIFF":  # newer Pillow has turned the size already
            width, height = image.tag_v2[256], image.tag_v2[257]
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def encode_png(array: np.ndarray, level: int = 1) -> bytes:
    """Return the PNG file of (H, W, 3) uint8 RGB, or (H, W) uint8 or uint16 grey.

    Args:
        level: 0 to 9. At 1 the cheapest filter and run-length matching are used: on noisy images
            twice as fast as zlib's own level 1, and smaller.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, level]
    if level <= 1:
        options += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    return _encode(".png", array, options)


def write_image(
    path: str | os.PathLike, array: np.ndarray, level: int = 1, durable: bool = False
) -> None:
    """Write (H, W, 3) uint8 RGB or (H, W) uint8/uint16 grey atomically, format by suffix.

    Args:
        path: a name that ends in .png (lossless, what the steps use), .jpg, .tif or .bmp.
        level: PNG compression 0 to 9.
        durable: see `spm.run.files.atomic_path`; most images are copies by the thousand.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".png":
        write_bytes(path, encode_png(array, level), durable)
    elif suffix in (".jpg", ".jpeg"):
        write_bytes(path, _encode(".jpg", array, [cv2.IMWRITE_JPEG_QUALITY, 95]), durable)
    elif suffix in (".tif", ".tiff", ".bmp"):
        write_bytes(path, _encode(suffix, array, []), durable)
    else:
        raise InputError(f"{path}: images are written as .png, .jpg, .tif or .bmp; rename it.")


def write_palette_image(path: str | os.PathLike, array: np.ndarray, palette: np.ndarray) -> None:
    """Write (H, W) uint8 indices with a palette (n <= 256, 3) uint8 RGB as a palette PNG."""
    image = Image.fromarray(np.ascontiguousarray(array, np.uint8))
    image.putpalette(np.ascontiguousarray(palette, np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    write_bytes(path, buffer.getvalue(), durable=False)


def list_images(folder: str | os.PathLike) -> list[Path]:
    """Return the files with an image's suffix in a folder, naturally sorted, none hidden."""
    return [path for path in visible_files(folder) if path.suffix.lower() in SUFFIXES]


def max_pixels() -> int:
    """Return the largest number of pixels that is read (see MAX_MEGAPIXELS)."""
    text = os.environ.get("SPM_MAX_MEGAPIXELS", "")
    try:
        return int(float(text or MAX_MEGAPIXELS) * 1e6)
    except ValueError:
        raise InputError(f"SPM_MAX_MEGAPIXELS: must be a number. Received: {text!r}.") from None


def _encode(suffix: str, array: np.ndarray, options: list[int]) -> bytes:
    if array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8:
        array = cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    elif array.ndim != 2 or array.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            "An image must be (H, W, 3) uint8, or (H, W) uint8 or uint16. "
            f"Received: shape {array.shape}, {array.dtype}."
        )
    done, data = cv2.imencode(suffix, np.ascontiguousarray(array), options)
    if not done:
        raise ValueError(f"OpenCV cannot encode shape {array.shape} as {suffix}.")
    return data.tobytes()


def read_bytes(path: Path) -> bytes:
    """Return the bytes of an image file; InputError when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: there is no such image; put it there or correct the name.")
    return InputError(f"{path}: cannot be read ({error.strerror}); check the file.")


def check_pixels(width: int, height: int, name: str) -> None:
    """Raise InputError when an image of this size is more than is read (MAX_MEGAPIXELS)."""
    limit = max_pixels()
    if width * height > limit:
        raise InputError(
            f"{name}: {width} x {height} pixels are more than the limit of {limit / 1e6:g} "
            "megapixels; cut it, or set SPM_MAX_MEGAPIXELS higher if the memory allows it."
        )


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Yield the Pillow image of `data`; every way of failing becomes an InputError."""
    if not data:
        raise InputError(f"{name}: the file is empty; copy the image again.")
    try:
        with warnings.catch_warnings(), _unlimited_pillow():
            warnings.simplefilter("ignore")  # on odd metadata that does not concern the pixels
            with Image.open(io.BytesIO(data)) as image:
                check_pixels(*image.size, name)
                yield image
    except UnidentifiedImageError:
        raise InputError(
            f"{name}: is not an image in a known format; save it as PNG or TIFF."
        ) from None
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, struct.error,
            IndexError) as error:  # fmt: skip
        # Pillow's decoders raise all of these on damaged files.
        raise InputError(
            f"{name}: the image is damaged or truncated ({error}); copy it again."
        ) from error


@contextmanager
def _unlimited_pillow() -> Iterator[None]:
    """Switch off Pillow's own limit: ours has a sentence and a switch."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _to_rgb(image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) uint8 of a Pillow image of any mode."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(scale_grey(np.asarray(image))[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, image).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def is_plain_png(data: bytes) -> bool:
    """Return whether `data` is a whole 8-bit RGB PNG that OpenCV reads just as Pillow does."""
    if data[:8] != _PNG or data[12:16] != b"IHDR" or _PNG_END not in data[-64:]:
        return False
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if (depth, colour) != (8, 2) or width * height > max_pixels():
        return False
    return not any(mark in data[:4096] for mark in (b"tRNS", b"eXIf", b"acTL", b"iCCP", b"gAMA"))


def _may_turn(file: io.BufferedReader) -> bool:
    """Return whether the PNG that is open may hold an EXIF rotation near its start or end."""
    head = file.read(4096)
    file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
    return b"eXIf" in head or b"eXIf" in file.read() or b"iTXt" in head or b"zTXt" in head
