"""The image that a predicted JSON names, placed so that labelme saves onto the file it opened.

labelme saves after each change, not in the file that was opened but beside the image and under the
image's name: `img_cache/NAME_predicted.json` that names `../images/NAME.png` is saved as
`images/NAME.json`, and opened once more shows nothing of it (findings/labelme_saves.sh). Opened
file and saved file are one where the image lies beside the JSON and differs from it by its ending
alone. NAME_predicted.png is the drawing; so the image is NAME_predicted.tif.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spm.io.labelme_shows import LABELME_IMAGE, write_opaque_tiff


def image_for_labelme(image: np.ndarray, result: Path) -> str:
    """Write the image of a predicted JSON beside it; return the image's name for the JSON.

    Args:
        image: (H, W, 3) uint8 RGB, what was predicted.
        result: the JSON, NAME_predicted.json.
    """
    beside = result.with_suffix(LABELME_IMAGE)
    write_opaque_tiff(beside, image)
    return beside.name
