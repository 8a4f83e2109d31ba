"""The network of a weights file, run by OpenVINO: prediction on a processor without Keras.

`openvino_export.py` writes `NAME.openvino` beside `NAME.h5`: a zip file, not compressed, of the
graph (`network.xml`), its constants (`network.bin`) and `about.json`, whose `weights` is the digest
of the weights that it was made of (`weights.digest`) and whose `side` that of the network's image
in pixels.

Nothing here may import keras or tensorflow: that would take longer than most images do.
"""

import json
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .unmolding import unmold_cropped

# Raised when the graph, its inputs or its outputs change: older files are then written anew.
FORMAT = 1


class ExportedError(RuntimeError):
    """An exported network that cannot be used; the message says why."""


def exported_path(weights):
    """Return where the exported network of a weights file lies."""
    return Path(weights).with_suffix(".openvino")


def read_about(path):
    """Return `about.json` of an exported network; an empty dict where there is none, or a damaged
    one, or one of another format."""
    try:
        with zipfile.ZipFile(path) as file:
            about = json.loads(file.read("about.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
        return {}
    return about if isinstance(about, dict) and about.get("format") == FORMAT else {}


def write_exported(path, xml, constants, about):
    """Write the file; see the module's docstring.

    Args:
        path: file to write, whole or not at all being the caller's care (`weights.whole_file`).
        xml, constants: bytes of the graph and of its constants.
        about: dict with `weights` and `side`.
    """
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("about.json", json.dumps({"format": FORMAT, **about}, indent=1))
        file.writestr("network.xml", xml, zipfile.ZIP_DEFLATED)
        file.writestr("network.bin", constants)


def import_openvino():
    """The package `openvino`, which then tells nobody: with `openvino_telemetry` at hand its import
    alone leaves a number for this user in ~/intel, and its converter sends its use to a server
    (findings/openvino_telemetry.sh)."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


class ExportedNetwork:
    """The network of an exported file, ready to run.

    Args:
        path: file of `openvino_export.export`.

    Attributes:
        side: of the network's image in pixels.

    Raises:
        ExportedError: when the file is damaged, or OpenVINO cannot run it.
    """

    def __init__(self, path):
        openvino = import_openvino()
        self.side = read_about(path).get("side")
        core = openvino.Core()
        # With its bfloat16 masks differ by up to a fifth (benchmarks/README.md).
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        try:
            with zipfile.ZipFile(path) as file:
                xml = file.read("network.xml")
                constants = np.empty(file.getinfo("network.bin").file_size, np.uint8)
                with file.open("network.bin") as stream:
                    stream.readinto(constants)
            model = core.read_model(xml, openvino.Tensor(constants, shared_memory=True))
            # OpenVINO 2026.4 reads the constants from here for as long as it runs.
            self._constants = constants
            self._compiled = core.compile_model(model, "CPU", options)
        except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            first = str(error).strip().splitlines()[-1]
            raise ExportedError(
                f"{path} cannot be run ({first}); delete it, and it is written anew"
            ) from error
        self._request = self._compiled.create_infer_request()

    def detect_cropped(self, images, lowest_score):
        """Find the molecules of images that fill the network's.

        Args:
            images: list of (side, side, 3) uint8 RGB.
            lowest_score: detections below are left out.

        Returns:
            a dict per image, as from `MaskRCNN.detect_cropped`.
        """
        return [self._detect(image, lowest_score) for image in images]

    def _detect(self, image, lowest_score):
        if image.shape != (self.side, self.side, 3):
            raise ValueError(
                f"The exported network takes images of {self.side} x {self.side} pixels. "
                f"Received: shape {image.shape}."
            )
        fed = [image[None].astype(np.float32), np.array([lowest_score], np.float32)]
        found = self._request.infer(fed)
        detections, probabilities, masks = (found[k][0] for k in range(3))
        count = int(((detections[:, 4] > 0) & (detections[:, 5] >= lowest_score)).sum())
        window = 0, 0, self.side, self.side
        return unmold_cropped(
            image.shape, image.shape, window, detections[:count], masks[:count], probabilities
        )
