"""The network of a weights file, run by OpenVINO: prediction on a processor without Keras.

`openvino_export.py` writes `NAME.openvino` beside `NAME.h5`: a zip file, not compressed, of a graph
for each size of image (`network_SIDE.xml`), the constants of all (`network.bin`) and `about.json`.
In this `weights` is the digest of the weights that it was made of (`weights.digest`), and `sides`
are the sizes in pixels, that of `TILE_DIM` first.

Nothing here may import keras or tensorflow: that would take longer than most images do.
"""

import json
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .exported_parts import InParts, Whole, has_bfloat16
from .unmolding import unmold_cropped

# Raised when the graph, its inputs or its outputs change: older files are then written anew. A file
# of format 1 holds one graph, `network.xml`, for images of one `side`.
FORMAT = 2
READ = (1, FORMAT)


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
    return about if isinstance(about, dict) and about.get("format") in READ else {}


def write_exported(path, graphs, constants, about):
    """Write the file; see the module's docstring.

    Args:
        path: file to write, whole or not at all being the caller's care (`weights.whole_file`).
        graphs: dict of side -> bytes of the graph's XML.
        constants: bytes of the constants of all graphs.
        about: dict with `weights`.
    """
    about = {"format": FORMAT, **about, "sides": list(graphs)}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("about.json", json.dumps(about, indent=1))
        for side, xml in graphs.items():
            file.writestr(f"network_{side}.xml", xml, zipfile.ZIP_DEFLATED)
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
        bfloat16: whether convolutions may be computed in it, where the processor does.

    Attributes:
        sides: of the images that it takes, in pixels.
        dtype: "bfloat16" or "float32", of the convolutions.

    Raises:
        ExportedError: when the file is damaged, or OpenVINO cannot run it; also later, when images
            of a side come for the first time.
    """

    def __init__(self, path, bfloat16=False):
        self._path, self._networks = path, {}
        self._compiler = ThreadPoolExecutor(1, "compiler")
        about = read_about(path)
        self.sides = about.get("sides") or [about.get("side")]
        name = "network_{}.xml" if "sides" in about else "network.xml"
        openvino = import_openvino()
        try:
            with zipfile.ZipFile(path) as file:
                graphs = {side: file.read(name.format(side)) for side in self.sides}
                # OpenVINO 2026.4 reads the constants from here for as long as it runs.
                self._constants = np.empty(file.getinfo("network.bin").file_size, np.uint8)
                with file.open("network.bin") as stream:
                    stream.readinto(self._constants)
            self._core = openvino.Core()
            constants = openvino.Tensor(self._constants, shared_memory=True)
            self._models = {k: self._core.read_model(g, constants) for k, g in graphs.items()}
            fast = bfloat16 and has_bfloat16(self._core)
        except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise self._unusable(error) from error
        self.dtype = "bfloat16" if fast else "float32"

    def _unusable(self, error):
        first = str(error).strip().splitlines()[-1]
        return ExportedError(
            f"{self._path} cannot be run ({first}); delete it, and it is written anew"
        )

    def prepare(self, side):
        """Begin to compile the network for images of a side; nothing is waited for."""
        if side not in self._networks:
            self._networks[side] = self._compiler.submit(self._compiled, side)

    def release(self):
        """Give the memory of the compiled networks back; they are compiled again when needed."""
        self._networks.clear()

    def _network(self, side):
        """The network for images of a side; it is compiled when it is needed."""
        self.prepare(side)
        try:
            return self._networks[side].result()
        except RuntimeError as error:
            raise self._unusable(error) from error

    def _compiled(self, side):
        if self.dtype == "bfloat16":
            try:
                return InParts(self._core, self._models[side])
            except RuntimeError:  # a network of another build
                self.dtype = "float32"
        return Whole(self._core, self._models[side])

    def detect_cropped(self, images, lowest_score):
        """Find the molecules of images that fill the network's.

        Args:
            images: list of (S, S, 3) uint8 RGB, S being one of `sides`.
            lowest_score: detections below are left out.

        Returns:
            a dict per image, as from `MaskRCNN.detect_cropped`.
        """
        return [self._detect(image, lowest_score) for image in images]

    def _detect(self, image, lowest_score):
        side = image.shape[0]
        if image.shape != (side, side, 3) or side not in self.sides:
            raise ValueError(
                f"The exported network takes square images of {self.sides} pixels a side. "
                f"Received: shape {image.shape}."
            )
        fed = image[None].astype(np.float32), np.array([lowest_score], np.float32)
        detections, probabilities, masks = (found[0] for found in self._network(side)(*fed))
        count = int(((detections[:, 4] > 0) & (detections[:, 5] >= lowest_score)).sum())
        window = 0, 0, side, side
        return unmold_cropped(
            image.shape, image.shape, window, detections[:count], masks[:count], probabilities
        )
