"""Which engine runs the network of a prediction: OpenVINO on a processor, else Keras.

OpenVINO needs the network exported beside its weights (`mrcnn.exported`). Training writes it, or
the first prediction, for which it needs Keras once.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from mrcnn import exported
from mrcnn.config import Config
from mrcnn.devices import backend, has_accelerator
from mrcnn.weights import WeightsError, digest
from spm.errors import InputError

# "keras" or "openvino" where no setting says which engine to take: for all scripts of a session.
VARIABLE = "PREDICTION_ENGINE"
ROOT = Path(__file__).resolve().parent.parent


class NotExported(Exception):
    """Why OpenVINO cannot run a network; the message is a part of a sentence."""


def load_exported(
    weights: Path, settings: dict, engine: str = "auto"
) -> exported.ExportedNetwork | None:
    """Loads the exported network of a weights file; makes the file if need be.

    Args:
        weights: .h5 file.
        settings: of its network, as `Config.to_dict` gives them.
        engine: "auto", "openvino" or "keras".

    Returns:
        The network, or None where Keras shall run it; one line says why.

    Raises:
        InputError: when neither can.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine == "keras":
        if not keras_installed():
            raise InputError(f"{VARIABLE}=keras: Keras or its backend is not installed; unset it.")
        return None
    try:
        if engine == "auto" and (reason := _keras_is_better()):
            raise NotExported(reason)
        if importlib.util.find_spec("openvino") is None:
            raise NotExported("OpenVINO is not installed (python -m pip install openvino)")
        ensure_exported(weights, settings)
        try:
            asked = settings.get("COMPUTE_DTYPE", "auto")
            fast = asked in ("auto", "mixed_bfloat16")
            return exported.ExportedNetwork(exported.exported_path(weights), fast)
        except exported.ExportedError as error:
            raise NotExported(str(error)) from error
    except NotExported as reason:
        if not keras_installed():
            raise InputError(
                f"{weights}: {reason}, and without Keras and TensorFlow nothing else can run it."
            ) from reason
        print(f"note: Keras runs the network: {reason}", file=sys.stderr)
        return None


def ensure_exported(weights: Path, settings: dict) -> None:
    """Writes the exported network of a weights file unless it is there already.

    Raises:
        NotExported: when it cannot be made, or not be kept.
        InputError: when the weights cannot be read.
    """
    path = exported.exported_path(weights)
    about = exported.read_about(path)
    try:
        if about and about.get("weights") == digest(weights):
            return
    except WeightsError as error:
        raise InputError(str(error)) from error
    if not keras_installed():
        what = "is not there"
        if path.exists():
            what = "belongs to other weights" if about else "cannot be read by this version"
        raise InputError(
            f"{weights}: its exported network {path.name} {what}, and to make it Keras and "
            "TensorFlow are needed; copy it from the computer that trained, or make it there: "
            "python -m mrcnn.openvino_export WEIGHTS"
        )
    if not os.access(path.parent, os.W_OK):
        raise NotExported(f"the folder {path.parent} cannot be written to, {path.name} not kept")
    print(f"{path.name} is written once, for faster predictions", flush=True)
    _export(weights, settings)


def _export(weights: Path, settings: dict) -> None:
    """Exports here where Keras is at work already, else in a process of its own, with which
    TensorFlow's memory goes back."""
    if _keras_at_work():
        from mrcnn.openvino_export import export

        try:
            export(weights, settings)
        except (WeightsError, exported.ExportedError, ValueError, OSError, RuntimeError) as error:
            raise NotExported(f"the export failed ({error})") from error
        return
    plain = json.dumps(Config.from_dict(settings).to_dict(), default=_plain)
    command = [sys.executable, "-m", "mrcnn.openvino_export", str(weights.resolve())]
    done = subprocess.run(
        [*command, "--settings", plain], cwd=ROOT, capture_output=True, text=True,
        encoding="utf-8", errors="replace", env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NotExported(f"the export failed ({lines[-1].removeprefix('error: ')})")


def _keras_at_work() -> bool:
    return backend() == "tensorflow" and {"keras", "tensorflow"} <= set(sys.modules)


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)


def keras_installed() -> bool:
    """Says whether Keras and the backend that it would take are there."""
    name = {"torch": "torch", "jax": "jax"}.get(backend(), "tensorflow")
    return all(importlib.util.find_spec(module) for module in ("keras", name))


def _keras_is_better() -> str | None:
    """Returns why Keras should run the network, if it should."""
    if not keras_installed():
        return None
    if backend() != "tensorflow":
        return f"its backend is {backend()}"
    if _card_likely() and has_accelerator():
        return "TensorFlow has a graphics card"
    return None


def _card_likely() -> bool:
    """Says whether it is worth asking TensorFlow for a graphics card: importing it takes longer
    than an image does. On Windows it has had none since 2.10."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or platform.system() == "Windows":
        return False
    if platform.system() == "Darwin":
        try:
            return bool(importlib.metadata.version("tensorflow-metal"))
        except importlib.metadata.PackageNotFoundError:
            return False
    return any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
