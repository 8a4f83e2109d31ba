"""What the machine can do: is there a graphics card, and does it compute with bfloat16?

The backend (TensorFlow, PyTorch or JAX) is only asked about graphics cards, and imported for that.
"""

import functools
import json
import os
import platform
from pathlib import Path

MOST_LOADERS = 8  # processes, of some 100 MB each
LOADERS_PAY_FROM = 20  # steps of an epoch: they take a second or two to start


def backend() -> str:
    """Name of the Keras backend that will run, found the way Keras does, without importing it."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    home = os.environ.get("KERAS_HOME")
    settings = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    try:
        name = json.loads(settings.read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        name = None
    return name if isinstance(name, str) and name else "tensorflow"


@functools.cache
def has_accelerator() -> bool:
    """Whether the backend sees a graphics card."""
    if backend() == "torch":
        import torch

        return torch.cuda.is_available()
    if backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def device_name() -> str:
    """The device in words, for messages."""
    kind = "graphics card" if has_accelerator() else "processor (no graphics card in use)"
    return f"{kind}, {backend()}, {os.cpu_count()} cores"


DRIVERS = (  # what NVIDIA's driver puts onto Linux, WSL2 and Windows
    "/proc/driver/nvidia/version",
    "/usr/lib/wsl/lib/libcuda.so.1",
    "C:/Windows/System32/nvcuda.dll",
)


def unused_card() -> str | None:
    """A sentence when there is an NVIDIA driver and the backend uses no card; None when all is as
    it should be, or somebody switched the card off (CUDA_VISIBLE_DEVICES)."""
    switched_off = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if switched_off or not any(Path(driver).exists() for driver in DRIVERS) or has_accelerator():
        return None
    return (
        f"an NVIDIA driver is installed, but {backend()} uses no graphics card: "
        "docs/graphics_card.md says what to install"
    )


def loader_processes(steps: int) -> int:
    """How many processes shall make the batches of epochs of so many steps: a card waits for what
    threads of one process can make; without a card the cores belong to the step."""
    # Of torchrun's processes on this machine each has its share of the cores.
    cores = (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    pays = has_accelerator() and cores >= 4 and steps >= LOADERS_PAY_FROM
    return min(cores - 2, MOST_LOADERS) if pays else 0


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX512-BF16 or AMX); where the system does
    not tell (Windows, macOS), the answer is no."""
    flags = Path("/proc/cpuinfo")
    if platform.system() != "Linux" or not flags.exists():
        return False
    text = flags.read_text(encoding="utf-8", errors="replace")
    return "avx512_bf16" in text or "amx_bf16" in text


def best_dtype() -> str:
    """Type of the convolutions: "mixed_bfloat16" where the device computes with it, else
    "float32"."""
    if has_accelerator():
        return "mixed_bfloat16" if _card_has_bfloat16() else "float32"
    return "mixed_bfloat16" if cpu_has_bfloat16() else "float32"


def _card_has_bfloat16():
    if backend() == "torch":
        import torch

        return torch.cuda.is_bf16_supported()
    if backend() == "jax":
        return True
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(card) for card in cards]
    # Compute capability 8 (Ampere) brought bfloat16.
    return all(d.get("compute_capability", (0, 0))[0] >= 8 for d in details)
