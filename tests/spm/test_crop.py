"""Cutting the piece that a user outlines."""

import numpy as np
import pytest

from spm import crop
from spm.errors import InputError
from spm.io.images import read_image
from spm.io.pixel_size import read_scale, write_scaled_png


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "Scan 扫描 1.png"
    pixels = np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)
    write_scaled_png(path, pixels, 0.05)
    return path, pixels


def test_the_piece_has_the_same_pixels_and_scale(image, tmp_path, capsys):
    path, pixels = image
    crop.main(image=path, left=30, top=10, width=80, height=60, out=tmp_path / "aug")
    piece = tmp_path / "aug" / "Scan 扫描 1-cut.png"
    assert (read_image(piece) == pixels[10:70, 30:110]).all()
    assert read_scale(piece) == 0.05
    assert "80 x 60 pixels, 4 x 3 nm, from 30 across and 10 down of 200 x 120" in (
        capsys.readouterr().out
    )


def test_without_numbers_the_middle_is_cut_out(image, tmp_path):
    path, pixels = image
    crop.main(image=path, out=tmp_path, name="b")
    assert (read_image(tmp_path / "b.png") == pixels[33:87, 73:127]).all()


def test_wrong_numbers_and_names_are_refused(image, tmp_path):
    path, _ = image
    with pytest.raises(InputError, match="does not lie in the image of 200 x 120"):
        crop.main(image=path, left=130, width=80, out=tmp_path)
    with pytest.raises(InputError, match="too small"):
        crop.main(image=path, width=20, out=tmp_path)
    with pytest.raises(InputError, match="which image"):
        crop.main()
    (tmp_path / f"{path.stem}-cut.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        crop.main(image=path, out=tmp_path)
    assert not (tmp_path / f"{path.stem}-cut.png").exists()
