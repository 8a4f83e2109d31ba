"""Instrument files to images: orientation, direction, units, square pixels, settings."""

import importlib
import json
import warnings

import instrument_files
import instrument_writers
import numpy as np
import pytest
from instrument_files import surface
from instrument_kinds import KINDS, PASSES, write

from spm import convert, instruments
from spm.errors import InputError
from spm.instruments import heights, inputs
from spm.io import colour_maps, pixel_size
from spm.io.images import read_image, write_image


@pytest.mark.parametrize("kind", KINDS)
class TestFormats:
    def test_both_directions_come_out_the_right_way_round(self, kind, tmp_path):
        folder = tmp_path / "Messung 扫描 [1]"
        folder.mkdir()
        path = write(kind, folder)
        channels = instruments.read_channels(path)
        one = kind in instrument_writers.ONE_DIRECTION
        for direction, offset in (("forward", 0), ("backward", 100))[: 1 if one else 2]:
            channel = instruments.choose(path, channels, direction=direction)
            assert channel.direction in (direction, "" if one else direction)
            assert channel.unit == "m" and channel.is_height
            assert channel.values == pytest.approx(surface(offset), abs=2e-15)
            assert channel.width_nm == pytest.approx(6.0, rel=1e-6)
            assert channel.height_nm == pytest.approx(4.0, rel=1e-6)

    def test_image_and_scale(self, kind, tmp_path):
        opened = heights.convert_file(write(kind, tmp_path), levelling="none", low=0, high=100)
        assert opened.nm_per_pixel == pytest.approx(1.0)
        assert opened.image.shape == (4, 6, 3)
        assert opened.image[0, 0].tolist() == [0, 0, 0]
        assert opened.image[-1, -1].tolist() == colour_maps.lookup_table("hot")[-1].tolist()
        assert opened.heights_nm[3, 5] - opened.heights_nm[0, 0] == pytest.approx(0.023, rel=1e-3)

    def test_damaged_file_is_one_clear_sentence(self, kind, tmp_path):
        if kind == "3ds":
            pytest.skip("a grid that ends early is one that was stopped")
        path = write(kind, tmp_path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(InputError, match=path.name) as caught:
                instruments.read_channels(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["sxm", "mtrx", "ibw", "jpk", "h5-jpk", "nhf"])
def test_missing_package_gives_the_pip_line(kind, tmp_path, monkeypatch):
    path = write(kind, tmp_path)

    def missing(name, *args):
        raise ModuleNotFoundError(f"No module named {name!r}")

    module = importlib.import_module(f"spm.instruments.{instruments.module_name(path)}")
    real = importlib.import_module
    monkeypatch.setattr(
        instruments.importlib,
        "import_module",
        lambda name, *a: real(name, *a) if name.startswith("spm.") else missing(name),
    )
    with pytest.raises(InputError, match="python -m pip install [a-z0-9]+$"):
        module.read(path)


def test_downward_nanonis_scan(tmp_path):
    pytest.importorskip("nanonispy2")
    path = tmp_path / "a.sxm"
    instrument_files.write_sxm(path, surface(), upward=False)
    (z, current) = instruments.read_channels(path)
    assert (z.sense, z.direction, current.name) == ("down", "forward", "Current")
    assert z.values == pytest.approx(surface(), abs=1e-15)
    assert current.values == pytest.approx(surface() * 2, abs=1e-15)


def test_up_and_down_passes_can_be_chosen(tmp_path):
    path = write("mtrx", tmp_path)
    channels = instruments.read_channels(path)
    for i, name in enumerate(PASSES):
        chosen = instruments.choose(path, channels, direction=name)
        assert chosen.values == pytest.approx(surface(100 * i), abs=1e-15)
    same = instruments.read_channels(tmp_path / "default_2024_0001.mtrx")
    assert [c.title for c in same] == [c.title for c in channels]
    with pytest.raises(InputError, match="no channel 'Current'; choose among: Z forward up"):
        instruments.choose(path, channels, "Current")


def test_scan_that_was_stopped_and_pixels_that_are_not_square(tmp_path):
    pytest.importorskip("nanonispy2")
    z = surface()
    z[0] = np.nan  # an upward scan ends at the top
    z[2, 3] = np.nan
    path = tmp_path / "a.sxm"
    instrument_files.write_sxm(path, z, frame=(6e-9, 8e-9))  # pixels 1 nm wide, 2 nm high
    opened = heights.convert_file(path, levelling="none")
    assert opened.nm_per_pixel == pytest.approx(1.0)
    assert opened.image.shape == (6, 6, 3), "three lines of 2 nm make six rows of 1 nm"
    assert opened.settings["lines_cut"] == [1, 0]
    assert opened.settings["missing_pixels"] == 1
    assert np.isfinite(opened.heights_nm).all()


def test_no_unit_is_invented(tmp_path):
    pytest.importorskip("igor2")
    path = tmp_path / "a.ibw"
    instrument_files.write_ibw(path, {"HeightTrace": surface()}, unit="")
    assert heights.convert_file(path).nm_per_pixel is None
    instrument_files.write_ibw(
        path, {"HeightTrace": surface()}, unit="", note="FastScanSize: 1.2e-8\rSlowScanSize: 8e-9"
    )
    assert heights.convert_file(path).nm_per_pixel == pytest.approx(2.0)


def test_settings_make_the_same_image_again(tmp_path):
    pytest.importorskip("nanonispy2")
    path = tmp_path / "a.sxm"
    instrument_files.write_sxm(path, surface(), surface(100))
    options = ["--direction", "backward", "--levelling", "plane", "--colour-map", "gwyddion"]
    run([str(tmp_path), *options, "--low", "2"])
    first = (tmp_path / "a.png").read_bytes()
    assert pixel_size.read_scale(tmp_path / "a.png") == pytest.approx(1.0)
    run([str(path), "--out", str(tmp_path / "again"), "--like", str(tmp_path / "a_convert.json")])
    assert (tmp_path / "again" / "a.png").read_bytes() == first
    settings = json.loads((tmp_path / "a_convert.json").read_text(encoding="utf-8"))
    assert settings["direction"] == "backward up"
    assert settings["shown"]["unit"] == "nm"
    opened = inputs.open_image(tmp_path / "a.png")
    assert opened.nm_per_pixel == pytest.approx(1.0)
    assert opened.heights_nm.shape == (4, 6)
    assert opened.settings["source"] == "a.sxm"
    assert np.array_equal(opened.image, inputs.open_image(path, **like(settings)).image)


def like(settings):
    keys = ("channel", "direction", "levelling", "low", "high", "colour_map")
    return {key: settings[key] for key in keys}


def run(argv, status=0):
    with pytest.raises(SystemExit) as left:
        convert.command_line.run(convert.main, argv)
    assert left.value.code == status


def test_a_users_image_is_never_overwritten(tmp_path, capsys):
    pytest.importorskip("nanonispy2")
    instrument_files.write_sxm(tmp_path / "a.sxm", surface())
    instrument_files.write_sxm(tmp_path / "b.sxm", surface())
    write_image(tmp_path / "a.png", np.full((5, 5, 3), 9, np.uint8))
    run([str(tmp_path)], status=1)
    assert "not made from a.sxm" in capsys.readouterr().err
    assert read_image(tmp_path / "a.png").shape == (5, 5, 3)
    assert (tmp_path / "b.png").exists(), "the others are converted all the same"
    assert not (tmp_path / "a_convert.json").exists()


def test_inputs_of_a_folder(tmp_path):
    write("mtrx", tmp_path)
    for name in ("x.sxm", "default_2024--1_1.I_mtrx", "default_2024--1_1.I(V)_mtrx", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    write_image(tmp_path / "p10.png", np.zeros((3, 3, 3), np.uint8))
    write_image(tmp_path / "p2.png", np.zeros((3, 3, 3), np.uint8))
    names = [p.name for p in inputs.list_inputs(tmp_path)]
    assert names == ["default_2024--1_1.Z_mtrx", "p2.png", "p10.png", "x.sxm"]
    run([str(tmp_path / "default_2024--1_1.Z_mtrx")])
    names = [p.name for p in inputs.list_inputs(tmp_path)]
    assert names == ["default_2024--1_1_Z.png", "p2.png", "p10.png", "x.sxm"]


def test_scale_in_the_png(tmp_path):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    path = tmp_path / "a.png"
    pixel_size.write_scaled_png(path, image, 0.048828125)
    assert pixel_size.read_scale(path) == 0.048828125
    assert np.array_equal(read_image(path), image)
    pixel_size.write_scaled_png(path, image, None)
    assert pixel_size.read_scale(path) is None
    assert inputs.open_image(path).nm_per_pixel is None
    assert inputs.open_image(path, nm_per_pixel=0.5).nm_per_pixel == 0.5
    write_image(tmp_path / "a.jpg", image)
    assert pixel_size.read_scale(tmp_path / "a.jpg") is None
    for wrong in (0, -1, float("nan")):
        with pytest.raises(InputError, match="positive"):
            inputs.open_image(path, nm_per_pixel=wrong)


def test_wrong_input_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder or file"):
        convert.main(folder=tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no instrument file"):
        convert.main(folder=tmp_path)
    with pytest.raises(InputError, match="colour_map must be .*'hot'.*'rainbow'"):
        convert.main(folder=tmp_path, colour_map="rainbow")
    pytest.importorskip("nanonispy2")
    instrument_files.write_sxm(tmp_path / "a.sxm", surface())
    with pytest.raises(InputError, match="levelling"):
        convert.main(folder=tmp_path, levelling="flat")
    with pytest.raises(InputError, match="low and high"):
        convert.main(folder=tmp_path, low=60, high=40)


@pytest.mark.parametrize("name", colour_maps.COLOUR_MAPS)
def test_colour_maps_rise_from_dark_to_bright(name):
    brightness = colour_maps.lookup_table(name).astype(int) @ [299, 587, 114]
    assert (np.diff(brightness) >= 0).all()
    assert colour_maps.colour(np.array([[-1.0, 2.0]]), name)[0].tolist() == [
        colour_maps.lookup_table(name)[0].tolist(),
        colour_maps.lookup_table(name)[255].tolist(),
    ]
