"""A small file of each kind of instrument."""

from __future__ import annotations

import instrument_files
import instrument_writers
import pytest
from instrument_files import FRAME, surface

PASSES = ("forward/up", "backward/up", "forward/down", "backward/down")


def write_gwy(path, backward_title="Z (Backward)"):
    """Write forward and backward heights with the writer of the gwyfile package."""
    objects = pytest.importorskip("gwyfile.objects")
    container = objects.GwyContainer()
    for i, title in enumerate(("Z (Forward)", backward_title)):
        field = objects.GwyDataField(
            surface(100 * i), xreal=FRAME[0], yreal=FRAME[1], si_unit_xy="m", si_unit_z="m"
        )
        container[f"/{i}/data"] = field
        container[f"/{i}/data/title"] = title
    with path.open("wb") as file:
        container.tofile(file)


def write(kind, folder):
    """Write a file of that kind whose backward scan is 100 pm above the forward one."""
    if kind in instrument_writers.KINDS:
        return instrument_writers.write(kind, folder)
    path = folder / f"scan.{kind}"
    if kind == "sxm":
        pytest.importorskip("nanonispy2")
        instrument_files.write_sxm(path, surface(), surface(100))
    elif kind == "mtrx":
        pytest.importorskip("access2thematrix")
        passes = {name: surface(100 * i) for i, name in enumerate(PASSES)}
        path = instrument_files.write_mtrx(folder, passes)
    elif kind == "gwy":
        write_gwy(path)
    elif kind == "ibw":
        pytest.importorskip("igor2")
        layers = {"HeightTrace": surface(), "HeightRetrace": surface(100)}
        instrument_files.write_ibw(path, layers, note="ScanAngle: 30\rImagingMode: AC Mode")
    else:
        instrument_files.write_sm4(path, surface(), surface(100), z_scale=1e-14)
    return path


KINDS = ["sxm", "mtrx", "gwy", "ibw", "sm4", *instrument_writers.KINDS]
