"""Downloading the public COCO weights."""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"

_HDF5_START = b"\x89HDF\r\n\x1a\n"  # the first bytes of every HDF5 file
_CHUNK = 1 << 20  # bytes read at a time
_TIMEOUT = 60  # seconds without a byte before giving up


def download_trained_weights(
    coco_model_path: str | Path, verbose: int = 1, url: str = COCO_MODEL_URL
) -> None:
    """Download the weights that matterport trained on COCO (81 classes, ResNet-101, 246 MB).

    The file appears under its name only when it is whole; an interrupted download leaves nothing.

    Args:
        coco_model_path: where to put the file.
        verbose: 1 prints what happens and shows a progress bar; 0 is silent.
        url: where from.

    Raises:
        ConnectionError: the file cannot be had, is cut short, or is not an HDF5 file.
        OSError: the file cannot be written.
    """
    path = Path(coco_model_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if verbose:
        print(f"Downloading the COCO weights to {path}")
    # In the same folder, so that moving it is one step of the file system.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            _fetch(url, file, verbose)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if verbose:
        print("Done.")


def _fetch(url, file, verbose):
    """Write what `url` gives into an open file; check its size and its kind."""
    from tqdm import tqdm

    advice = f"Download {url} by hand and put it in place."
    received, start = 0, b""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            size = response.headers.get("Content-Length")
            size = None if size is None else int(size)
            # disable=None: no bar into a file or a pipe.
            off = None if verbose else True
            bar = tqdm(total=size, unit="B", unit_scale=True, disable=off, dynamic_ncols=True)
            with bar:
                while chunk := response.read(_CHUNK):
                    start = start or chunk[: len(_HDF5_START)]
                    file.write(chunk)
                    received += len(chunk)
                    bar.update(len(chunk))
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as error:
        raise ConnectionError(f"The weights cannot be downloaded ({error}). {advice}") from error
    if size is not None and received != size:
        raise ConnectionError(f"The download broke off: {received} of {size} bytes. {advice}")
    if start != _HDF5_START:
        raise ConnectionError(f"What came is no weights file ({received} bytes). {advice}")
