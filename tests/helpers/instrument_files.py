"""Small instrument files written by hand, byte by byte after the formats' descriptions.

Every writer takes the heights as they lie on the surface, (H, W) float in metres with row 0 on top,
and stores them in the order in which that instrument would have scanned them.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 6, 4  # not square, so that swapped axes show
FRAME = (6e-9, 4e-9)  # metres; square pixels of 1 nm


def surface(offset: float = 0.0) -> np.ndarray:
    """Heights in metres, another one for each pixel: (4, 6) float64."""
    return (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) + offset) * 1e-12


# ---- Nanonis -------------------------------------------------------------------------------


def write_sxm(
    path: Path,
    forward: np.ndarray,
    backward: np.ndarray | None = None,
    upward: bool = True,
    frame: tuple[float, float] = FRAME,
) -> None:
    """Write channel Z in one or both directions, and a current in the forward one only."""
    rows, columns = forward.shape
    table = ["Channel\tName\tUnit\tDirection\tCalibration\tOffset"]
    table.append(f"14\tZ\tm\t{'both' if backward is not None else 'forward'}\t1E-9\t0E+0")
    table.append("0\tCurrent\tA\tforward\t1E-9\t0E+0")
    header = {
        "NANONIS_VERSION": "2",
        "SCANIT_TYPE": "              FLOAT            MSBFIRST",
        "REC_DATE": " 01.02.2024",
        "REC_TIME": "12:00:00",
        "ACQ_TIME": "       10.0",
        "SCAN_PIXELS": f"       {columns}       {rows}",
        "SCAN_FILE": "C:\\data\\a.sxm",
        "SCAN_TIME": "             1.000E-1             1.000E-1",
        "SCAN_RANGE": f"           {frame[0]:.6E}           {frame[1]:.6E}",
        "SCAN_OFFSET": "             1.000000E-7         -2.000000E-7",
        "SCAN_ANGLE": "            3.000E+1",
        "SCAN_DIR": "up" if upward else "down",
        "BIAS": "            -1.500E+0",
        "COMMENT": "",
        "DATA_INFO": "\n".join(f"\t{line}" for line in table),
    }
    text = "".join(f":{key}:\n{value}\n" for key, value in header.items())
    data = b""
    for values, leftward in ((forward, False), (backward, True), (forward * 2, False)):
        if values is not None:
            in_time = values[::-1] if upward else values
            in_time = in_time[:, ::-1] if leftward else in_time
            data += in_time.astype(">f4").tobytes()
    path.write_bytes(text.encode() + b"\n:SCANIT_END:\n\n\n\x1a\x04" + data)


# ---- Omicron Matrix ------------------------------------------------------------------------


def _text(value: str) -> bytes:
    return struct.pack("<L", len(value)) + value.encode("utf-16-le")


def _typed(value: bool | int | float | str) -> bytes:
    if isinstance(value, bool):
        return b"LOOB" + struct.pack("<L", value)
    if isinstance(value, int):
        return b"GNOL" + struct.pack("<l", value)
    if isinstance(value, float):
        return b"BUOD" + struct.pack("<d", value)
    return b"GRTS" + _text(value)


def _block(kind: bytes, data: bytes, stamped: bool) -> bytes:
    return kind + struct.pack("<L", len(data)) + (bytes(8) if stamped else b"") + data


def write_mtrx(
    folder: Path,
    passes: dict[str, np.ndarray],
    factor: float = 1e12,
    scanned: int | None = None,
) -> Path:
    """Write NAME_0001.mtrx and its NAME--1_1.Z_mtrx; return the latter.

    Args:
        passes: "forward/up", "backward/up", "forward/down", "backward/down" -> heights.
        factor: raw counts a metre.
        scanned: numbers after which the scan was stopped; none by default.
    """
    rows, columns = next(iter(passes.values())).shape
    retrace, down = "backward/up" in passes, "forward/down" in passes
    scanner = {
        "X_Retrace": (retrace, ""),
        "Y_Retrace": (down, ""),
        "Points": (columns, ""),
        "Lines": (rows, ""),
        "Width": (FRAME[0], "Meter"),
        "Height": (FRAME[1], "Meter"),
        "X_Offset": (0.0, "Meter"),
        "Y_Offset": (0.0, "Meter"),
        "Angle": (0, "Degree"),
    }
    element = bytes(4) + struct.pack("<L", 1) + _text("XYScanner") + struct.pack("<L", len(scanner))
    for name, (value, unit) in scanner.items():
        element += _text(name) + _text(unit) + bytes(4) + _typed(value)
    dictionary = bytes(8) + struct.pack("<LL", 0, 1)
    dictionary += bytes(4) + struct.pack("<L", 7) + bytes(8) + _text("Z") + _text("Meter")
    dictionary += struct.pack("<L", 1) + bytes(12) + struct.pack("<L", 7) + _text("Z")
    transfer = bytes(4) + struct.pack("<L", 7) + _text("TFF_Linear1D") + _text("Meter")
    transfer += struct.pack("<L", 2) + _text("Factor") + _typed(factor)
    transfer += _text("Offset") + _typed(0.0)
    nested = bytes(4) + _block(b"TCID", dictionary, False) + _block(b"REFX", transfer, False)
    result = folder / "default_2024--1_1.Z_mtrx"
    program = bytes(4) + _text("MATRIX") + _text("V3.2")
    parameters = (
        b"ONTMATRX0101"
        + _block(b"ATEM", program, True)
        + _block(b"APEE", element, True)
        + _block(b"YSCC", nested, True)
    )
    parameters += _block(b"FERB", bytes(4) + _text(result.name), True)
    (folder / "default_2024_0001.mtrx").write_bytes(parameters)

    lines = []  # in the order of time: up from the lowest line, then down from the highest
    for sense in ("up", "down") if down else ("up",):
        for row in reversed(range(rows)) if sense == "up" else range(rows):
            lines.append(passes[f"forward/{sense}"][row])
            if retrace:
                lines.append(passes[f"backward/{sense}"][row][::-1])
    raw = np.rint(np.concatenate(lines) * factor).astype("<i4")[:scanned]
    description = bytes(20) + struct.pack("<ii", raw.size, raw.size)
    inner = bytes(4) + _block(b"CSED", description, False) + _block(b"ATAD", raw.tobytes(), False)
    result.write_bytes(b"ONTMATRX0101" + b"TLKB" + struct.pack("<L", len(inner)) + bytes(8) + inner)
    return result


# ---- Igor ----------------------------------------------------------------------------------


def write_ibw(
    path: Path,
    layers: dict[str, np.ndarray],
    unit: str = "m",
    note: str = "",
    frame: tuple[float, float] = FRAME,
) -> None:
    """Write a version 5 wave, float32, with one layer for each title (labels of dimension 2)."""
    rows, columns = next(iter(layers.values())).shape
    # Dimension 0 is x and varies fastest; y points up.
    data = b"".join(v[::-1].astype("<f4").tobytes() for v in layers.values())
    labels = b"".join(t.encode().ljust(32, b"\0") for t in ["", *layers])
    header = struct.pack("<4l", 0, 0, 0, rows * columns * len(layers))
    header += struct.pack("<hh6xh", 2, 0, 1) + b"wave0".ljust(32, b"\0") + bytes(8)
    header += struct.pack("<4l", columns, rows, len(layers), 0)
    header += struct.pack("<4d", frame[0] / columns, frame[1] / rows, 1, 1)
    header += struct.pack("<4d", 0, 0, 0, 0) + b"m\0\0\0"
    header += unit.encode().ljust(4, b"\0") * 2 + bytes(8)
    header += bytes(4 + 16 + 4 + 16 + 16 + 4 + 64 + 8 + 8 + 4 + 8)
    assert len(header) == 320
    sizes = [len(header) + len(data), 0, len(note), 0, 0, 0, 0, 0]
    start = struct.pack("<8l", *sizes) + struct.pack("<4l", 0, 0, len(labels), 0) + bytes(12)
    # The 16-bit words of both headers add up to zero; Gwyddion looks at that.
    words = np.frombuffer(struct.pack("<hh", 5, 0) + start + header, "<i2").sum(dtype=np.int64)
    start = struct.pack("<hh", 5, int(-words + 0x8000) % 0x10000 - 0x8000) + start
    assert len(start) == 64
    path.write_bytes(start + header + data + note.encode() + labels)


# ---- RHK -----------------------------------------------------------------------------------


def _wide(text: str) -> bytes:
    return struct.pack("<H", len(text)) + text.encode("utf-16-le")


def write_sm4(
    path: Path,
    forward: np.ndarray,
    backward: np.ndarray,
    z_scale: float,
    scans: tuple[int, int] = (0, 1),
) -> None:
    """Write two topography pages, from right to left (x scale < 0) as real files have them.

    Args:
        scans: RHK's numbers of the scan directions: 0 right, 1 left, 2 up, 3 down.
    """
    rows, columns = forward.shape
    step_x, step_y = FRAME[0] / columns, FRAME[1] / rows
    pages = []
    for values, scan_type, x_scale in ((forward, scans[0], -step_x), (backward, scans[1], -step_x)):
        stored = values[::-1]  # lowest line first: a positive y scale says so
        stored = stored[:, ::-1] if x_scale < 0 else stored
        raw = np.rint(stored / z_scale).astype("<i4").tobytes()
        strings = ["Topography", "", "", "", "a.sm4", "02/01/24", "12:00:00", "m", "m", "m"]
        strings += ["", "", "", str(rows), "1", "", "", ""]
        text = b"".join(_wide(s) for s in strings)
        head = struct.pack("<HH", 170, len(strings))
        head += struct.pack("<12I", 1, 0, 0, 0, 0, columns, rows, 0, scan_type, 0, len(raw), 0)
        head += struct.pack("<I", 0)
        head += struct.pack("<11f", x_scale, step_y, z_scale, 0, 0, 0, 0, 0, 0.5, 1e-10, 0)
        head += struct.pack("<4I", 0, 0, 0, 1) + bytes(64)
        pages.append((head, text, raw))
    out = struct.pack("<H", 56) + "STiMage 005.006 1".ljust(18, "\0").encode("utf-16-le")
    out += struct.pack("<5I", len(pages), 1, 12, 0, 0)
    index_header = len(out) + 12
    out += struct.pack("<3I", 1, index_header, 16)
    out += struct.pack("<4I", len(pages), 1, 0, 0) + struct.pack("<3I", 2, index_header + 28, 32)
    place = len(out) + len(pages) * (32 + 24)
    bodies = b""
    for head, text, raw in pages:
        at_text = place + len(head) + 12
        at_data = at_text + len(text)
        out += bytes(16) + struct.pack("<4I", 0, 0, 2, 6)
        out += struct.pack("<6I", 3, place, len(head), 4, at_data, len(raw))
        bodies += head + struct.pack("<3I", 10, at_text, len(text)) + text + raw
        place = at_data + len(raw)
    path.write_bytes(out + bodies)
