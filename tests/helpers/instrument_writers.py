"""Small files of more instruments, written by their layouts; `instrument_files` has the first five.

Every writer takes the heights as they lie on the surface, (H, W) float in metres with row 0 on top,
forward and backward, and stores them as that instrument does. test_formats.py has Gwyddion and
other readers read them, where these are installed.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from instrument_files import FRAME, surface


def write(kind: str, folder: Path) -> Path:
    """Write a file of that kind, its backward scan 100 pm above the forward one; return it.

    Kinds are the suffixes without the dot, and mda for an .mdt of the newer sort. gsf, 3ds, stp,
    top and tiff hold one direction only.
    """
    needs = {"tiff": "tifffile", "jpk": "tifffile", "h5-jpk": "h5py", "nhf": "h5py"}
    if kind in needs:
        pytest.importorskip(needs[kind])
    path = folder / f"scan.{'mdt' if kind == 'mda' else kind}"
    if kind in ONE_DIRECTION:
        ONE_DIRECTION[kind](path, surface())
    else:
        TWO_DIRECTIONS[kind](path, surface(), surface(100))
    return path


def write_createc(
    path: Path, forward: np.ndarray, backward: np.ndarray, finished: int | None = None
) -> None:
    """Write topography and current, forward and backward.

    Args:
        finished: lines after which the scan was stopped; none by default.
    """
    rows, columns = forward.shape
    step = 20.0 / 2**20 * 19.2e-9  # metres
    delta = 1e9 * FRAME[0] / columns / (20.0 / 2**20 * 96.0)
    lines = [
        "[Paramco32]", "DAC-Type=20bit", f"Delta X / Delta X [Dac]={delta}",
        f"Delta Y / Delta Y [Dac]={delta}", f"Num.X / Num.X={columns}", f"Num.Y / Num.Y={rows}",
        "GainX / GainX=10", "GainY / GainY=10", "GainZ / GainZ=10",
        "Gainpreamp / GainPre 10^=9", "ZPiezoconst=19.20", "Xpiezoconst=96.00",
        "YPiezoconst=96.00", "Channels / Channels=4", "Channelselectval / Channelselectval=3",
        "BiasVoltage / BiasVolt.[mV]=653.80", "Titel / Titel=LHe",
    ]  # fmt: skip
    header = "\r\n".join(lines).encode("latin-1").ljust(16380, b"\0")
    planes = [forward / step, np.full_like(forward, 8000.0), backward / step]
    planes.append(np.arange(forward.size, dtype=float).reshape(forward.shape))
    if finished is not None:
        for plane in planes:
            plane[finished:] = 0.0
    numbers = np.concatenate([[0.0], *(p.ravel() for p in planes)]).astype("<f4").tobytes()
    path.write_bytes(header + b"DATA" + zlib.compress(numbers + bytes(128)))


def write_nanoscope(
    path: Path, forward: np.ndarray, backward: np.ndarray, size: int = 2, phase: bool = False
) -> None:
    """Write heights as trace and retrace of `size` bytes a number, 2 nm/V; and a phase."""
    rows, columns = forward.shape
    step = 1e-13  # metres a number
    scale = step / 2e-9 * 2 ** (8 * size)
    head, images, bodies = 8192, [], []
    planes = [(forward, "Trace", "Height"), (backward, "Retrace", "Height")]
    planes += [(forward, "Trace", "Phase")] if phase else []
    for values, way, name in planes:
        body = np.rint(values[::-1] / step).astype(f"<i{size}").tobytes()
        unit, sens = ("\xb0", "Phase") if name == "Phase" else ("V", "Zsens")
        value = 180.0 if name == "Phase" else scale
        images += [
            "\\*Ciao image list", f"\\Data offset: {head + sum(map(len, bodies))}",
            f"\\Data length: {len(body)}", f"\\Bytes/pixel: {size}", "\\Frame direction: Down",
            f"\\Samps/line: {columns}", f"\\Number of lines: {rows}",
            f"\\Scan Size: {FRAME[0] * 1e9:g} {FRAME[1] * 1e9:g} nm", f"\\Line Direction: {way}",
            f'\\@2:Image Data: S [{name}] "{name}"',
            f"\\@2:Z scale: V [Sens. {sens}] ({value / 2 ** (8 * size):.10f} {unit}/LSB) "
            f"{value:.10f} {unit}",
        ]  # fmt: skip
        bodies.append(body)
    version = "0x09200000" if size == 4 else "0x07200000"
    lines = [
        "\\*File list", f"\\Version: {version}", "\\Start context: OL",
        f"\\Data length: {head}", "\\*Scanner list",
        "\\@Sens. Zsens: V 2.00000 nm/V", "\\*Ciao scan list",
        f"\\Scan Size: {FRAME[0] * 1e9:g} nm",
        f"\\Samps/line: {columns}", f"\\Lines: {rows}", "\\@Sens. Phase: V 1.000000 ",
        *images, "\\*File list end", "\x1a",
    ]  # fmt: skip
    header = "\r\n".join(lines).encode("latin-1")
    assert len(header) < head
    path.write_bytes(header.ljust(head, b"\0") + b"".join(bodies))


def write_wsxm(path: Path, values: np.ndarray, kind: str = "double") -> None:
    """Write one topography; "short" is spread over the amplitude, "double" is in nanometres."""
    rows, columns = values.shape
    span = np.ptp(values) * 1e9
    settings = [
        "[Control]", f"    X Amplitude: {FRAME[0] * 1e9:g} nm",
        f"    Y Amplitude: {FRAME[1] * 1e9:g} nm", "[General Info]",
        "    Acquisition channel: Topography", f"    Image Data Type: {kind}",
        f"    Number of columns: {columns}", f"    Number of rows: {rows}",
        "    X scanning direction: Forward", "    Y scanning direction: Down",
        f"    Z Amplitude: {span:.12g} nm", "[Miscellaneous]", "    Version: 1.0 (August 2005)",
        "[Header end]", "",
    ]  # fmt: skip
    head = "WSxM file copyright UAM\r\nSxM Image file\r\nImage header size: {:5d}\r\n"
    body = "\r\n".join(settings)
    header = head.format(len(head.format(0)) + len(body)) + body
    numbers = values[::-1, ::-1] * 1e9
    if kind == "short":
        numbers = np.rint(numbers / (span or 1.0) * 23000)
    data = numbers.astype({"short": "<i2", "double": "<f8"}[kind]).tobytes()
    path.write_bytes(header.encode("latin-1") + data)


def write_nid(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write the Z axis forward and backward as 32-bit numbers over a range of 1 nm."""
    rows, columns = forward.shape
    text = ["[DataSet]", "Version=2", "GroupCount=2", "Gr0-Name=Scan forward", "Gr0-Count=1",
            "Gr1-Name=Scan backward", "Gr1-Count=1", "Gr0-Ch0=DataSet-0:1", "Gr1-Ch0=DataSet-1:1",
            "[DataSet-Info]", "Scan direction=Up"]  # fmt: skip
    body = b""
    for group, (values, way) in enumerate(((forward, "forward"), (backward, "backward"))):
        text += [
            f"[DataSet-{group}:1]", "Version=2", f"Points={columns}", f"Lines={rows}",
            f"Frame=Scan {way}", "Dim0Name=X*", "Dim0Unit=m", f"Dim0Range={FRAME[0]}", "Dim0Min=0",
            "Dim1Name=Y*", "Dim1Unit=m", f"Dim1Range={FRAME[1]}", "Dim1Min=0", "Dim2Name=Z-Axis",
            "Dim2Unit=m", "Dim2Range=1e-09", "Dim2Min=-5e-10", "SaveMode=Binary", "SaveBits=32",
            "SaveSign=Signed", "SaveOrder=Intel",
        ]  # fmt: skip
        body += np.rint(values[::-1] / 1e-9 * 2**32).astype("<i4").tobytes()
    path.write_bytes("\r\n".join([*text, ""]).encode("latin-1") + b"#!" + body)


def write_mi(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write topography as trace and retrace over 0.001 micrometres, and a deflection in volts."""
    rows, columns = forward.shape
    pairs = [("fileType", "Image"), ("version", "PicoView 0x10c04"), ("xPixels", columns),
             ("yPixels", rows), ("xLength", FRAME[0]), ("yLength", FRAME[1]),
             ("scanUp", "TRUE")]  # fmt: skip
    planes = [(forward, "Topography", "Trace", 1e-3, "um", 1e-9),
              (backward, "Topography", "Retrace", 1e-3, "um", 1e-9),
              (forward, "Deflection", "Trace", 10.0, "V", 1e-9)]  # fmt: skip
    body = b""
    for values, name, way, span, unit, full in planes:
        pairs += [("bufferLabel", name), ("direction", way), ("bufferRange", f"{span:.16e}"),
                  ("bufferUnit", unit), ("trace", way)]  # fmt: skip
        body += np.rint(values[::-1] / full * 2**31).astype("<i4").tobytes()
    pairs.append(("data", "BINARY_32"))
    text = "".join(f"{key:14s}{value}\n" for key, value in pairs)
    path.write_bytes(text.encode() + body)


def write_gsf(
    path: Path, values: np.ndarray, frame: tuple[float, float] = (FRAME[0], FRAME[1])
) -> None:
    rows, columns = values.shape
    text = (
        f"Gwyddion Simple Field 1.0\nXRes = {columns}\nYRes = {rows}\nXReal = {frame[0]}\n"
        f"YReal = {frame[1]}\nXYUnits = m\nZUnits = m\nTitle = Z (Forward)\n"
    ).encode()
    text += bytes(4 - len(text) % 4)
    path.write_bytes(text + values.astype("<f4").tobytes())


def write_grid(path: Path, values: np.ndarray, finished: int | None = None) -> None:
    """Write a Nanonis grid of two points of current each, measured from the lower left corner.

    Args:
        finished: how many points were measured; all by default.
    """
    rows, columns = values.shape
    names = "X (m);Y (m);Z (m);Settling time (s)"
    text = "\r\n".join(
        [
            f'Grid dim="{columns} x {rows}"',
            f"Grid settings=1E-8;2E-8;{FRAME[0]};{FRAME[1]};0E+0",
            'Sweep Signal="Bias (V)"', 'Fixed parameters="Sweep Start;Sweep End"',
            f'Experiment parameters="{names}"', "# Parameters (4 byte)=6",
            "Experiment size (bytes)=8", "Points=2",
            "Delay before measuring (s)=0", 'Experiment="Grid"', 'Start time="01.02.2024 12:00:00"',
            'End time="01.02.2024 12:00:00"', 'User="none"', 'Comment=""',
            'Channels="Current (A)"', ":HEADER_END:", "",
        ]
    )  # fmt: skip
    y, x = np.mgrid[:rows, :columns]
    start = [np.full(values.shape, v) for v in (-1.0, 1.0)]
    planes = [*start, x * FRAME[0] / columns, y * FRAME[1] / rows, values[::-1]]
    planes += [np.full(values.shape, 0.1)] + [np.full(values.shape, 1e-12)] * 2
    numbers = np.stack(planes, axis=-1).astype(">f4").reshape(rows * columns, -1)
    path.write_bytes(text.encode() + numbers[:finished].tobytes())


def write_scala(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write NAME.par and its NAME.tf0 and NAME.tb0."""
    rows, columns = forward.shape
    text = [";", "; Omicron SPM Control.", "; Parameter file for SPM data.", ";", "",
            "Format                    : 1", "Version                   : V2.2",
            "System                    : SCALA", "", "Date                      : 01.02.2024 12:00",
            "User                      : none", "Comment                   : none", "",
            f"Image Size in X           : {columns}  ; X", f"Image Size in Y           : {rows}",
            f"Field X Size in nm        : {FRAME[0] * 1e9}  ; [nm]",
            f"Field Y Size in nm        : {FRAME[1] * 1e9}  ; [nm]",
            f"Increment X               : {FRAME[0] * 1e9 / columns} ; [nm]",
            f"Increment Y               : {FRAME[1] * 1e9 / rows} ; [nm]",
            "Scan Angle                : 0", "Gap Voltage               : 1", ""]  # fmt: skip
    for values, way, suffix in ((forward, "Forward", ".tf0"), (backward, "Backward", ".tb0")):
        text += ["Topographic Channel       : Z", f"{way}   ; Direction",
                 "-32768 ; Minimum raw value", "32767 ; Maximum raw value",
                 "-0.32768 ; Minimum value in physical unit",
                 "0.32767 ; Maximum value in physical unit", "0.00001 ; Resolution",
                 "nm ; Physical unit", f"{path.stem}{suffix} ; Filename", "Main ; Display name",
                 ""]  # fmt: skip
        numbers = np.rint(values[::-1] / 1e-14).astype(">i2")
        path.with_suffix(suffix).write_bytes(numbers.tobytes())
    path.write_text("\r\n".join(text), encoding="latin-1")


def write_park(path: Path, values: np.ndarray) -> None:
    """Write a thumbnail of 2 x 2 pixels with Park's private tags (needs tifffile)."""
    import tifffile

    rows, columns = values.shape
    table = bytearray(580)
    table[4:20] = "Z Height".encode("utf-16-le")
    struct.pack_into("<2i", table, 100, columns, rows)
    struct.pack_into("<2d", table, 140, FRAME[0] * 1e6, FRAME[1] * 1e6)
    struct.pack_into("<3d", table, 220, 1e-3, 1.0, 0.0)
    table[244:248] = "um".encode("utf-16-le")
    struct.pack_into("<i", table, 348, 2)
    numbers = (values[::-1] * 1e9).astype("<f4").tobytes()
    tags = [
        (50432, 4, 1, 0x0E031301, True),
        (50433, 4, 1, 0x01000002, True),
        (50434, 1, len(numbers), numbers, True),
        (50435, 7, len(table), bytes(table), True),
    ]
    thumbnail = np.zeros((2, 2), np.uint8)
    tifffile.imwrite(path, thumbnail, extratags=tags, metadata=None, byteorder="<")  # fmt: skip


def write_jpk(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write heights as trace and retrace in two steps, volts and nominal (needs tifffile)."""
    import tifffile

    rows, columns = forward.shape
    step, offset = 1e-15, 2e-6
    frame = [(0x8000, 2, None, "6.0.41", True), (0x8001, 12, 1, 2.0, True),
             (0x8042, 12, 1, FRAME[0], True), (0x8043, 12, 1, FRAME[1], True),
             (0x8044, 12, 1, 0.0, True), (0x8045, 8, 1, 0, True), (0x8046, 9, 1, columns, True),
             (0x8047, 9, 1, rows, True),
             (0x8050, 2, None, "thumbnail", True), (0x8060, 9, 1, 0, True)]  # fmt: skip
    with tifffile.TiffWriter(path, byteorder=">") as tiff:
        tiff.write(np.zeros((4, 4), np.uint8), extratags=frame, metadata=None)
        for values, back in ((forward, 0), (backward, 1)):
            tags = [(0x8050, 2, None, "height", True), (0x8051, 8, 1, back, True),
                    (0x8052, 2, None, "Height", True), (0x8080, 9, 1, 3, True),
                    (0x8081, 2, None, "nominal", True)]  # fmt: skip
            scales = (
                ("raw", "", 1.0, 0.0),
                ("volts", "V", 1e-9, 0.5),
                ("nominal", "m", step, offset),
            )
            for i, (name, unit, factor, shift) in enumerate(scales):
                slot = 0x8090 + 0x30 * i
                kind = "LinearScaling" if i else "NullScaling"
                tags += [(slot, 2, None, name, True), (slot + 0x13, 2, None, kind, True)]
                tags += [(slot + 0x12, 2, None, unit, True)] if i else []
                tags += [(slot + 0x14, 12, 1, factor, True), (slot + 0x15, 12, 1, shift, True)]
            numbers = np.rint((values[::-1] - offset) / step).astype(np.int64)
            tiff.write(numbers.clip(-(2**31), 2**31 - 1).astype(np.int32), extratags=tags,
                       metadata=None)  # fmt: skip


def write_jpk_hdf5(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write two scans: the given heights, and the same 1 nm higher."""
    import h5py

    rows, columns = forward.shape
    with h5py.File(path, "w") as file:
        scan = file.create_group("Measurement_000")
        grid = "position-pattern.grid."
        for key, value in zip(
            ("ilength", "jlength", "ulength", "vlength"),
            (str(columns), str(rows), FRAME[0], FRAME[1]),
            strict=True,
        ):
            scan.attrs[grid + key] = value  # fmt: skip
        for i, (values, back) in enumerate(((forward, "false"), (backward, "true"))):
            group = scan.create_group(f"Channel_{i:03}")
            group.attrs["channel.fancy-name"], group.attrs["retrace"] = "Height", back
            group.attrs["net-encoder.scaling.multiplier"] = 1e-15
            group.attrs["net-encoder.scaling.offset"] = 0.0
            group.attrs["net-encoder.scaling.unit.unit"] = "m"
            numbers = np.rint(values[::-1].ravel() / 1e-15).astype(np.int32)
            group.create_dataset("Height", data=np.stack([numbers, numbers + 1_000_000], axis=1))
            group.create_dataset("thumbnail", data=np.zeros((16, 1), np.int32))


def write_mdt(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write two scan frames of NT-MDT's version 6 with heights in Angstrom."""
    rows, columns = forward.shape
    frames = b""
    for values, name in ((forward, b"1F:Height"), (backward, b"1B:Height")):
        axes = struct.pack("<ffh", 0, FRAME[0] * 1e9 / columns, -1)
        axes += struct.pack("<ffh", 0, FRAME[1] * 1e9 / rows, -1)
        axes += struct.pack("<ffh", 0, 1e-3, 0)
        settings = axes + struct.pack("<2B5H", 0, 0, columns, rows, 0, 0, 0) + bytes(77)
        body = settings + struct.pack("<4H", 0, columns, rows, 0)
        body += np.rint(values[::-1] / 1e-13).astype("<i2").tobytes()
        body += struct.pack("<I", len(name)) + name
        size = 22 + len(body)
        frames += struct.pack("<IHBB6HH", size, 0, 2, 6, 2024, 2, 1, 12, 0, 0, len(settings))
        frames += body
    head = b"\x01\xb0\x93\xff" + struct.pack("<I", len(frames)) + bytes(4)
    path.write_bytes(head + struct.pack("<H", 1) + bytes(19) + frames)


def write_mda(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write two MDAn images of NT-MDT's version 7 with heights in nanometres as float64."""
    rows, columns = forward.shape
    data = b"\x01\xb0\x93\xff" + bytes(8) + struct.pack("<H", 1) + bytes(19)
    for values, name in ((forward, b"1F:Height"), (backward, b"1B:Height")):
        axes = b""
        lengths = FRAME[0] * 1e9 / (columns - 1), FRAME[1] * 1e9 / (rows - 1)
        scales = ((lengths[0], 0, columns - 1, -8), (lengths[1], 0, rows - 1, -8))
        scales += ((2.0, -1, -1, -13320),)
        for step, first, last, kind in scales:
            axis = struct.pack("<5I", 124, 112, 2, 0, 2) + struct.pack("<QdQ", 1, 0.0, 0)
            axis += struct.pack("<2d2qi", 0.0, step, first, last, kind)
            axes += axis.ljust(120, b"\0") + b"nmnm"
        head = struct.pack("<2IQ3I", 41 + len(axes), 33, rows * columns, 8, 2, 1)
        axes = head + struct.pack("<3IB", 248, 124, 0, 0) + axes
        total = 76 + len(name) + len(axes)
        place = len(data) + 22 + total
        body = struct.pack("<2I", 76, total) + bytes(36)
        body += struct.pack("<8I", len(name), 0, 0, 0, 0, len(axes), place, 8 * rows * columns)
        body += name + axes + (values[::-1] * 1e9 / 2.0).astype("<f8").tobytes()
        data += struct.pack("<IHBB6HH", 22 + len(body), 106, 3, 7, 2024, 2, 1, 12, 0, 0, 0) + body
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 33) + data[8:])


def write_nhf(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    """Write a file of version 2 with a segment for each direction, over a range of 1 nm."""
    import h5py

    rows, columns = forward.shape
    with h5py.File(path, "w") as file:
        file.attrs["nsf_file_version_major"] = 2
        group = file.create_group("group_0000")
        for i, (values, way) in enumerate(((forward, "Forward"), (backward, "Backward"))):
            segment = group.create_group(f"subgroup_{i:04}")
            segment.attrs["segment_name"] = way
            segment.attrs["rect_axis_size"] = [columns, rows]
            segment.attrs["rect_axis_range"] = list(FRAME)
            numbers = np.rint(values[::-1].ravel() / 1e-9 * (2**32 - 1)).astype(np.int32)
            data = segment.create_dataset("dataset_0000", data=numbers)
            data.attrs["signal_name"], data.attrs["signal_calibration_unit"] = "Position Z", "m"
            data.attrs["signal_calibration_min"] = -5e-10
            data.attrs["signal_calibration_max"] = 5e-10


ONE_DIRECTION = {
    "stp": write_wsxm,
    "top": lambda path, values: write_wsxm(path, values, "short"),
    "gsf": write_gsf,
    "3ds": write_grid,
    "tiff": write_park,
}
TWO_DIRECTIONS = {
    "dat": write_createc,
    "spm": write_nanoscope,
    "001": lambda path, forward, backward: write_nanoscope(path, forward, backward, size=4),
    "nid": write_nid,
    "nhf": write_nhf,
    "jpk": write_jpk,
    "h5-jpk": write_jpk_hdf5,
    "mdt": write_mdt,
    "mda": write_mda,
    "mi": write_mi,
    "par": write_scala,
}
KINDS = [*ONE_DIRECTION, *TWO_DIRECTIONS]
