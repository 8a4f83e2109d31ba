"""Instrument formats against real files and other readers, the choice of channels, every door."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import instrument_files
import instrument_kinds
import instrument_writers
import numpy as np
import pytest
from checkout import ROOT
from instrument_files import surface
from instrument_kinds import KINDS, PASSES, write

from spm import convert, instruments
from spm.checks import preflight
from spm.errors import InputError
from spm.instruments import gwy, gwyddion, heights, inputs
from spm.io.images import write_image
from spm.structures.classes import ClassChoice

# file, channel, direction, unit, then min, max, upper left, lower right as Gwyddion 2.62 reads them
# in the files of shared/data/instruments (None where that gives no number).
REAL = [
    ("nanonis_constant_height.sxm", "Z", "forward", "m", -2.1862e-08, -2.1862e-08, None, None),
    ("nanonis_constant_height.sxm", "Frequency_Shift", "forward", "Hz",
     -4.8407, -1.4665, -3.7242, -1.8831),
    ("nanonis_constant_height.sxm", "Current", "forward", "A",
     -2.5944e-14, 3.4118e-13, 2.8448e-13, -8.6157e-15),
    ("cypher_spot_1000nm.ibw", "Height", "forward", "m",
     -7.0462e-07, -3.3123e-07, -3.9969e-07, -6.8176e-07),
    ("cypher_spot_1000nm.ibw", "Phase", "forward", "deg", 83.057, 114.12, 103.15, 100.58),
    ("cypher_spot_1000nm.ibw", "NapPotential", "forward", "V", 0.19885, 0.35961, 0.23762, 0.27426),
    ("createc_small.dat", "Topography", "forward", "m", -1.5066e-07, 0, -1.4816e-07, 0),
    ("surfacetopography_di-3.di", "Height", "backward", "m",
     -1.0421e-06, 3.7237e-07, 3.6645e-07, -1.0089e-06),
    ("surfacetopography_di-3.di", "ZSensor", "forward", "m",
     -6.4611e-07, 5.6402e-07, 5.6402e-07, -6.1648e-07),
    ("surfacetopography_di-3.di", "Phase", "backward", "deg", -38.853, -2.0269, -28.075, -27.839),
    ("surfacetopography_nid-1.nid", "Z-Axis", "forward", "m",
     -1.9826e-06, -9.2539e-07, -9.2539e-07, -1.9826e-06),
    ("surfacetopography_nid-1.nid", "Deflection", "backward", "N",
     1.8344e-09, 2.8398e-08, 1.2747e-08, 1.0658e-08),
    ("surfacetopography_mi-1.mi", "Topography", "forward", "m",
     -6.2996e-07, -4.6432e-07, -4.9869e-07, -6.2899e-07),
    ("surfacetopography_stp-1.stp", "Topography", "forward", "m",
     -8.6293e-10, 1.2838e-08, 7.6777e-11, 6.6891e-09),
]  # fmt: skip
FRAMES = {
    "nanonis_constant_height.sxm": (128, 2.0),
    "cypher_spot_1000nm.ibw": (256, 20078.0),
    "createc_small.dat": (256, 99.844),
    "surfacetopography_di-3.di": (256, 10000.0),
    "surfacetopography_nid-1.nid": (256, 20000.0),
    "surfacetopography_mi-1.mi": (256, 20000.0),
    "surfacetopography_stp-1.stp": (256, 600.0),
}


@pytest.fixture
def real(shared_data):
    folder = shared_data / "instruments"
    if not folder.is_dir():
        pytest.skip("no real instrument files beside the checkout")
    return folder


def case(shared_data: Path, name: str) -> Path:
    found = list((shared_data / "cases").glob(f"{name}/*.*"))
    if not found:
        pytest.skip(f"no case {name}")
    return found[0]


@pytest.mark.parametrize("row", REAL, ids=lambda row: f"{row[0]} {row[1]}")
def test_real_files_give_what_gwyddion_gives(row, real):
    file, name, direction, unit, *numbers = row
    channels = instruments.read_channels(real / file)
    channel = next(c for c in channels if (c.name, c.direction) == (name, direction))
    values = np.nan_to_num(channel.values)  # Gwyddion has zeros where nothing was scanned
    pixels, width = FRAMES[file]
    assert values.shape == (pixels, pixels) and channel.unit == unit
    assert channel.width_nm == pytest.approx(width, rel=5e-5)
    found = values.min(), values.max(), values[0, 0], values[-1, -1]
    for value, expected in zip(found, numbers, strict=True):
        if expected is not None:
            assert value == pytest.approx(expected, rel=5e-5)


def test_real_createc_currents_are_the_set_points(real):
    """Gwyddion 2.62 scales them like heights; the files name the set points of the feedback."""
    for file, picoampere in (("createc_small.dat", 156.0), ("createc_preview_120nm.dat", 101.0)):
        current = instruments.choose(real / file, instruments.read_channels(real / file), "Current")
        assert abs(np.nanmedian(current.values)) == pytest.approx(picoampere * 1e-12, rel=0.07)
    assert len(instruments.read_channels(real / "createc_preview_120nm.dat")) == 40


def test_a_scan_that_was_broken_off_has_no_zeros_for_heights(real):
    opened = heights.convert_file(real / "createc_small.dat")
    assert opened.settings["measured_pixels"] == [256, 256]
    assert opened.settings["lines_cut"] == [0, 247]
    assert opened.heights_nm.shape == (9, 256)


def test_constant_height_scans_show_the_channel_with_the_image(shared_data, capsys):
    path = case(shared_data, "02-constant-height")
    assert heights.convert_file(path).settings["channel"] == "Frequency_Shift"
    assert "is the same everywhere (feedback off?)" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"Z forward \w+ is the same everywhere; choose among: "):
        heights.convert_file(path, channel="Z")


def test_units_of_an_asylum_file_go_by_the_channel(shared_data):
    path = case(shared_data, "03-ibw-heighttracee")
    channels = instruments.read_channels(path)
    for name in ("", "HeightTracee", "Height"):
        chosen = instruments.choose(path, channels, name)
        assert (chosen.label, chosen.unit, chosen.is_height) == ("HeightTracee", "m", True)
    assert instruments.choose(path, channels, "HeightRetrace").direction == "backward"
    assert {c.unit for c in channels if c.name == "ZSensor"} == {"V"}
    path = case(shared_data, "04-ibw-phase")
    opened = heights.convert_file(path, channel="Phase", levelling="none", low=0, high=100)
    assert opened.heights_nm is None and opened.settings["shown"]["unit"] == "deg"
    assert heights.convert_file(path).heights_nm is not None


def test_cases_of_gwyddion_files(shared_data):
    path = case(shared_data, "05-gwy-latin1")
    assert [c.name for c in instruments.read_channels(path)] == ["Z"]
    path = case(shared_data, "06-gwy-detail")
    assert heights.convert_file(path, channel="Detail").settings["measured_pixels"] == [40, 40]
    with pytest.raises(InputError, match="no channel 'Detail backward'"):
        heights.convert_file(path, channel="Detail", direction="backward")


# ---- other readers on the files that the tests write ---------------------------------------


def other_gwyddion() -> list[str]:
    """Return the command of an installed Gwyddion, or skip."""
    before = os.environ.pop("SPM_GWYDDION", None)
    try:
        command = gwyddion.command()
    finally:
        os.environ["SPM_GWYDDION"] = before or "off"
    return command or pytest.skip("Gwyddion is not installed")


UNKNOWN_TO_GWYDDION = {"3ds", "nhf", "h5-jpk"}


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in UNKNOWN_TO_GWYDDION])
def test_gwyddion_reads_our_test_files_the_same(kind, tmp_path):
    command = other_gwyddion()
    path = write(kind, tmp_path)
    out = tmp_path / "out.gwy"
    subprocess.run([*command, f"--convert-to-gwy={out}", path], capture_output=True, timeout=120)
    theirs = [c for c in gwy.read(out) if c.unit == "m"]
    ours = [c for c in instruments.read_channels(path) if c.unit == "m"]
    assert ours and len(theirs) >= len(ours)
    for channel in ours:
        nearest = min(theirs, key=lambda c: np.abs(c.values - channel.values).max())
        assert nearest.values == pytest.approx(channel.values, abs=1e-17)
        assert nearest.width_nm == pytest.approx(channel.width_nm, rel=1e-3)
        assert nearest.height_nm == pytest.approx(channel.height_nm, rel=1e-3)


def test_directions_of_a_gwy_that_gwyddion_made_of_a_matrix_file(tmp_path):
    command = other_gwyddion()
    path = tmp_path / "out.gwy"
    source = write("mtrx", tmp_path)
    subprocess.run([*command, f"--convert-to-gwy={path}", source], capture_output=True, timeout=120)
    channels = instruments.read_channels(path)
    for i, name in enumerate(PASSES):
        chosen = instruments.choose(path, channels, "Z", direction=name)
        assert chosen.values == pytest.approx(surface(100 * i), abs=1e-15)


def test_other_packages_read_our_test_files(tmp_path):
    read = pytest.importorskip("nanonispy2.read")
    grid = read.Grid(str(write("3ds", tmp_path)))
    assert grid.signals["params"][::-1, :, 4] == pytest.approx(surface(), abs=1e-17)
    matrix = pytest.importorskip("access2thematrix").MtrxData()
    traces, _ = matrix.open(str(write("mtrx", tmp_path)))
    assert list(traces.values()) == list(PASSES)
    image, _ = matrix.select_image("backward/down")
    assert image.data[::-1] == pytest.approx(surface(300), abs=1e-15)


# ---- scans that were stopped, other directions, one letter ----------------------------------


def test_createc_scan_that_was_stopped_keeps_its_frame(tmp_path):
    path = tmp_path / "a.dat"
    instrument_writers.write_createc(path, surface(1), surface(100), finished=3)
    channels = instruments.read_channels(path)
    assert all(np.isnan(c.values[3]).all() and np.isfinite(c.values[:3]).all() for c in channels)
    opened = heights.convert_file(path, levelling="none")
    assert opened.settings["lines_cut"] == [0, 1] and opened.heights_nm.shape == (3, 6)
    assert opened.nm_per_pixel == pytest.approx(1.0)


def test_rhk_pages_scanned_up_and_down(tmp_path):
    path = tmp_path / "a.sm4"
    instrument_files.write_sm4(path, surface(), surface(100), z_scale=1e-14, scans=(2, 3))
    up, down = instruments.read_channels(path)
    assert (up.title, down.title) == ("Topography up", "Topography down")
    assert up.values == pytest.approx(surface(), abs=1e-15)
    assert instruments.choose(path, [up, down], direction="down") is down
    with pytest.raises(InputError, match="no channel 'backward'; choose among: Topography up"):
        instruments.choose(path, [up, down], direction="backward")


@pytest.mark.parametrize("numbers", [6, 12, 20, 48, 57])
def test_matrix_scan_that_was_stopped_keeps_its_frame(numbers, tmp_path):
    pytest.importorskip("access2thematrix")
    passes = {name: surface(100 * i) for i, name in enumerate(PASSES)}
    path = instrument_files.write_mtrx(tmp_path, passes, scanned=numbers)
    channels = instruments.read_channels(path)
    assert {c.values.shape for c in channels} == {(4, 6)}
    assert {(c.width_nm, c.height_nm) for c in channels} == {(6.0, 4.0)}
    assert sum(int(np.isfinite(c.values).sum()) for c in channels) == numbers
    for channel in channels:
        there = np.isfinite(channel.values)
        expected = passes[f"{channel.direction}/{channel.sense}"]
        assert channel.values[there] == pytest.approx(expected[there], abs=1e-15)
    assert np.isfinite(channels[0].values[-1]).all(), "an upward scan begins with the lowest line"


def test_a_matrix_file_without_its_parameters_and_a_damaged_one_are_told_apart(tmp_path):
    pytest.importorskip("access2thematrix")
    path = write("mtrx", tmp_path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="is damaged or holds no finished line"):
        instruments.read_channels(path)
    (tmp_path / "default_2024_0001.mtrx").unlink()
    with pytest.raises(InputError, match="default_2024_0001.mtrx must lie beside it"):
        instruments.read_channels(path)


TITLES = ("Z", "I", "I", "1-1 Z TraceUp", "1-1 Z RetraceDown", "Topo [Left]", "Topo [Up]")


def test_gwyddion_titles_of_one_letter_equal_titles_and_matrix_titles(tmp_path):
    objects = pytest.importorskip("gwyfile.objects")
    container = objects.GwyContainer()
    for i, title in enumerate(TITLES):
        unit = "m" if "Z" in title else "A"
        container[f"/{i}/data"] = objects.GwyDataField(surface(i), 6e-9, 4e-9, si_unit_z=unit)
        container[f"/{i}/data/title"] = title
    path = tmp_path / "a.gwy"
    with path.open("wb") as file:
        container.tofile(file)
    channels = instruments.read_channels(path)
    titles = [c.title for c in channels]
    assert titles[:5] == ["Z", "I", "I", "1-1 Z forward up", "1-1 Z backward down"]
    assert titles[5:] == ["Topo backward", "Topo up"]
    assert instruments.choose(path, channels, "I").values[0, 0] == pytest.approx(1e-12)
    assert instruments.choose(path, channels, direction="backward").sense == "down"
    with pytest.raises(InputError, match="no channel 'I down'"):
        instruments.choose(path, channels, "I", "down")


LENGTHS = {"µm": 1e-6, "um": 1e-6, "nm": 1e-9, "pm": 1e-12, "Å": 1e-10, "Angstrom": 1e-10}


@pytest.mark.parametrize(("unit", "factor"), LENGTHS.items())
def test_heights_come_from_any_length(unit, factor, tmp_path):
    objects = pytest.importorskip("gwyfile.objects")
    container = objects.GwyContainer()
    field = objects.GwyDataField(surface() / factor, 6e-9, 4e-9, si_unit_xy="m", si_unit_z=unit)
    container["/0/data"] = field
    path = tmp_path / "a.gwy"
    with path.open("wb") as file:
        container.tofile(file)
    opened = heights.convert_file(path, levelling="none", low=0, high=100)
    assert np.ptp(opened.heights_nm) == pytest.approx(np.ptp(surface()) * 1e9)
    assert opened.settings["shown"]["unit"] == "nm"


def test_lengths_that_are_no_heights(tmp_path):
    pytest.importorskip("igor2")
    layers = {"AmplitudeTrace": surface(), "DeflectionTrace": surface(), "PhaseTrace": surface(3)}
    path = tmp_path / "a.ibw"
    instrument_files.write_ibw(path, layers)
    for name in ("Amplitude", "Deflection"):
        opened = heights.convert_file(path, channel=name)
        assert opened.heights_nm is None and opened.settings["shown"]["unit"] == "nm"


def test_an_unfinished_grid_has_missing_points_and_no_zeros(tmp_path):
    path = tmp_path / "a.3ds"
    instrument_writers.write_grid(path, surface(), finished=15)
    z = instruments.choose(path, instruments.read_channels(path)).values
    assert np.isfinite(z).sum() == 15 and np.isnan(z[0]).all()
    there = np.isfinite(z)
    assert z[there] == pytest.approx(surface()[there], abs=1e-17)


def test_capitals_and_numbers_in_the_suffix(tmp_path):
    pytest.importorskip("nanonispy2")
    instrument_files.write_sxm(tmp_path / "A.SXM", surface())
    for number in ("000", "001"):
        instrument_writers.write_nanoscope(tmp_path / f"series.{number}", surface(), surface(9))
    assert convert.main(folder=tmp_path) == 0
    names = sorted(p.name for p in tmp_path.glob("*.png"))
    assert names == ["A.png", "series_000.png", "series_001.png"]
    assert [p.name for p in inputs.list_inputs(tmp_path)] == names


# ---- constant images, warnings, unknown files -------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_image_is_never_written_without_a_word(kind, tmp_path, monkeypatch, capsys):
    flat = np.full((4, 6), 5e-12)
    for module in (instrument_files, instrument_writers, instrument_kinds):
        monkeypatch.setattr(module, "surface", lambda offset=0.0: flat)
    path = write(kind, tmp_path)
    try:
        opened = heights.convert_file(path)
    except InputError as error:
        assert "is the same everywhere" in str(error) and path.name in str(error)
        return
    assert opened.settings["channel"] not in ("Z", "Height", "Topography")
    assert "is the same everywhere" in capsys.readouterr().err


def test_a_plane_and_an_image_of_one_colour_are_told(tmp_path, capsys):
    path = tmp_path / "a.gsf"
    instrument_writers.write_gsf(path, np.add.outer(np.arange(64.0), np.zeros(64)) * 2.0**-40)
    heights.convert_file(path, levelling="both")
    assert capsys.readouterr().err.startswith("a.gsf: the image has one colour")
    write_image(tmp_path / "black.png", np.zeros((5, 5, 3), np.uint8))
    inputs.open_image(tmp_path / "black.png")
    assert capsys.readouterr().err.startswith("black.png: has the same colour everywhere")


def test_warnings_of_a_reader_come_as_one_line(tmp_path, capsys):
    pytest.importorskip("nanonispy2")
    path = tmp_path / "a.sxm"
    instrument_files.write_sxm(path, surface())
    data = path.read_bytes()
    path.write_bytes(data.replace(b":COMMENT:\n\n", b":COMMENT:\n5 \xb5m\n"))
    instruments.read_channels(path)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("a.sxm: the reader warns: ")


def unknown_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    write_image(folder / "good.png", np.arange(75, dtype=np.uint8).reshape(5, 5, 3))
    for name in ("scan.spm", "scan.002", "scan.dat", "scan.nid", "scan.xyz1"):
        (folder / name).write_bytes(b"something else\0" * 20)
    for name in ("notes.txt", "Thumbs.db", ".hidden.dat", "good.json"):
        (folder / name).write_bytes(b"{}")
    (folder / "curve.dat").write_bytes(b"Experiment\tbias spectroscopy\t\r\n")
    return folder


UNKNOWN = ["scan.002", "scan.dat", "scan.nid", "scan.spm", "scan.xyz1"]


def test_unknown_files_are_named_by_convert(tmp_path):
    folder = unknown_folder(tmp_path)
    instrument_writers.write_gsf(folder / "fine.gsf", surface())
    with pytest.raises(InputError) as caught:
        convert.main(folder=folder)
    lines = str(caught.value).splitlines()
    assert sorted(Path(line.split(": ")[0]).name for line in lines) == UNKNOWN
    assert all("Gwyddion" in line and ".gwy" in line for line in lines)
    assert (folder / "fine.png").exists(), "the others are converted all the same"


def test_unknown_files_are_named_by_the_check(tmp_path):
    folder = unknown_folder(tmp_path)
    findings = preflight.look(tmp_path / "nothing", folder, ClassChoice(["A"]))
    said = "\n".join(preflight.report(findings))
    assert all(name in said for name in UNKNOWN)
    assert not any(name in said for name in ("notes", "Thumbs", "hidden", "good.json", "curve"))


def test_unknown_files_are_named_by_prediction(tmp_path):
    import predict_big_pic

    folder = unknown_folder(tmp_path)
    said = predict_big_pic.unread(None, folder)
    assert [Path(line.split(": ")[0]).name for line in said] == ["scan.dat", "scan.xyz1"]
    assert predict_big_pic.unread([folder / "good.png"], folder) == []
    (folder / "good.png").unlink()
    for name in ("scan.spm", "scan.002", "scan.nid"):
        with pytest.raises(InputError, match=rf"{name}: .*Gwyddion"):
            inputs.open_image(folder / name)
        (folder / name).unlink()
    with pytest.raises(InputError, match="scan.dat: no reader here(.|\n)*there is no image in it"):
        predict_big_pic.find_images(None, folder)


def test_what_gwyddion_saved_beside_it_is_the_way_out(tmp_path):
    (tmp_path / "a.xyz1").write_bytes(b"?")
    assert [p.name for p in inputs.left_out(tmp_path)] == ["a.xyz1"]
    (tmp_path / "a.gwy").write_bytes(write("gwy", tmp_path).read_bytes())
    assert inputs.left_out(tmp_path) == []


def test_several_files_on_one_command_line(tmp_path):
    for kind in ("gsf", "nid", "mi"):
        folder = tmp_path / kind
        folder.mkdir()
        write(kind, folder)
    paths = [str(tmp_path / "gsf" / "scan.gsf"), str(tmp_path / "nid"), str(tmp_path / "mi")]
    done = subprocess.run(
        [sys.executable, "-m", "spm.convert", *paths, "--levelling", "none"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.split(" -> ")[0] for line in done.stdout.splitlines()] == [
        "scan.gsf", "scan.nid", "scan.mi",
    ]  # fmt: skip
    assert all((tmp_path / kind / "scan.png").exists() for kind in ("gsf", "nid", "mi"))


def test_files_of_one_name_do_not_write_over_one_another(tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write("gsf", tmp_path / folder)
    write("mi", tmp_path / "a")
    assert convert.main(folder=tmp_path / "a") == convert.main(folder=tmp_path / "a") == 0
    names = sorted(p.name for p in (tmp_path / "a").glob("*.png"))
    assert names == ["scan.png", "scan_mi.png"]
    assert [p.name for p in inputs.list_inputs(tmp_path / "a")] == names
    with pytest.raises(InputError, match="b.scan.gsf: .*was just made from another file"):
        convert.main(files=[tmp_path / "a", tmp_path / "b"], out=tmp_path / "out")


def test_one_of_each_in_a_folder(tmp_path, capsys):
    """Every file is converted or named with the reason."""
    folder = tmp_path / "images"
    folder.mkdir()
    for kind in KINDS:
        place = tmp_path / kind
        place.mkdir()
        write(kind, place)
        for path in place.iterdir():
            # Names differ by kind; those of Matrix and SCALA name one another.
            new = path.name if kind in ("mtrx", "par") else f"{kind}{path.suffix}"
            path.rename(folder / new)
    (folder / "strange.xyz1").write_bytes(b"?")
    with pytest.raises(InputError) as caught:
        convert.main(folder=folder, levelling="none")
    assert str(caught.value).startswith(f"{folder / 'strange.xyz1'}: no reader here")
    assert len(str(caught.value).splitlines()) == 1
    assert len(capsys.readouterr().out.splitlines()) == len(KINDS)
    assert len(list(folder.glob("*.png"))) == len(KINDS)


def test_other_formats_go_through_gwyddion(tmp_path, monkeypatch, capsys):
    other_gwyddion()
    monkeypatch.delenv("SPM_GWYDDION")
    path = tmp_path / "scan.sdf"  # of surface profilers; Gwyddion's rows of it begin at the top
    fields = ["aBCR-1.0", "ManufacID = test", "CreateDate = 010220241200", "ModDate = 010220241200",
              "NumPoints = 6", "NumProfiles = 4", "Xscale = 1e-9", "Yscale = 1e-9",
              "Zscale = 1e-12", "Zresolution = -1", "Compression = 0", "DataType = 5",
              "CheckType = 0", "*"]  # fmt: skip
    rows = [" ".join(f"{v:.0f}" for v in row) for row in surface() * 1e12]
    path.write_text("\r\n".join([*fields, *rows, "*", ""]))
    opened = inputs.open_image(path, levelling="none", low=0, high=100)
    assert "scan.sdf: read with the Gwyddion" in capsys.readouterr().err
    assert opened.nm_per_pixel == pytest.approx(1.0)
    assert np.ptp(opened.heights_nm) == pytest.approx(0.023, rel=1e-4)
    path.write_bytes(b"\0\1\2" * 50)
    with pytest.raises(InputError, match="neither a reader here nor Gwyddion"):
        inputs.open_image(path)


def test_gwyddion_is_used_only_where_it_can_run(monkeypatch):
    assert gwyddion.command() == []
    monkeypatch.setenv("SPM_GWYDDION", sys.executable)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(shutil, "which", lambda name: name if name != "xvfb-run" else None)
    assert gwyddion.command() == [sys.executable]
    monkeypatch.delenv("DISPLAY")
    if sys.platform == "linux":
        assert gwyddion.command() == []


@pytest.mark.skipif(os.name == "nt", reason="starts programs of Unix")
def test_a_gwyddion_that_hangs_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "gwyddion"
    program.write_text("#!/bin/sh\nsleep 60 &\nwait\n")
    program.chmod(0o755)
    monkeypatch.setattr(gwyddion, "command", lambda: [str(program)])
    monkeypatch.setattr(gwyddion, "SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(InputError, match="did not convert it .TimeoutExpired"):
        gwyddion.read(tmp_path / "a.xyz1")
    assert time.monotonic() - start < 20
