"""RHK files (.sm4), read with spym."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from spm import instruments
from spm.errors import InputError

SUFFIXES = (".sm4",)
_IMAGE_PAGE = 0  # RHK_DATA_IMAGE


def read(path: Path) -> list[instruments.Channel]:
    """Return the image pages of an RHK file, scaled to physical units."""
    with np.errstate(over="ignore"):  # spym subtracts from unsigned counts
        sm4 = _reader(path).RHKsm4(str(path))
    channels = []
    for page in sm4:
        if page.attrs.get("RHK_PageDataType") != _IMAGE_PAGE:
            continue
        attrs = page.attrs
        xsize, ysize = int(attrs["RHK_Xsize"]), int(attrs["RHK_Ysize"])
        xscale, yscale = float(attrs["RHK_Xscale"]), float(attrs["RHK_Yscale"])
        raw = _upright(page.data, xsize, ysize, xscale, yscale)
        name, direction = instruments.split_direction(page.label)
        unit = str(attrs.get("RHK_Zunits", ""))
        channels.append(
            instruments.Channel(
                name=name,
                direction=direction,
                unit=unit,
                values=raw * float(attrs["RHK_Zscale"]) + float(attrs["RHK_Zoffset"]),
                width_nm=instruments.nanometres(abs(xscale) * xsize, attrs["RHK_Xunits"]),
                height_nm=instruments.nanometres(abs(yscale) * ysize, attrs["RHK_Yunits"]),
                extra={
                    "bias": float(attrs["RHK_Bias"]),
                    "current": float(attrs["RHK_Current"]),
                    "scan_angle": float(attrs["RHK_Angle"]),
                    "date": str(attrs.get("RHK_DateTime", "")),
                },
            )
        )
    return channels


def _upright(data: np.ndarray, xsize: int, ysize: int, xscale: float, yscale: float) -> np.ndarray:
    """Return (ysize, xsize) float64 with row 0 on top and column 0 on the left.

    spym 0.9.2 shapes the pixels as (xsize, ysize) before it mirrors them, which is right only for
    square scans. Its two mirrorings are undone on its own shape and done again on the true one.
    """
    if xscale < 0:
        data = np.flip(data, axis=1)
    if yscale > 0:
        data = np.flip(data, axis=0)
    data = np.ascontiguousarray(data).reshape(ysize, xsize).astype(np.float64)
    data = data[:, ::-1] if xscale < 0 else data
    return np.ascontiguousarray(data[::-1] if yscale > 0 else data)


def _reader(path: Path) -> ModuleType:
    """Return spym's module for .sm4 files without importing the rest of spym.

    `import spym` needs xarray, hvplot and some forty packages behind it, which spym 0.9.2 neither
    installs nor names; the module that reads .sm4 needs NumPy alone.

    Raises:
        InputError: when spym is not installed.
    """
    spec = importlib.util.find_spec("spym")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"{path}: reading this format needs the package spym; "
            "install it with: python -m pip install spym"
        )
    name = "spm_instruments_spym_sm4"
    if name not in sys.modules:
        file = Path(spec.submodule_search_locations[0]) / "io" / "rhksm4" / "_sm4.py"
        module_spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(module_spec)
        module_spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]
