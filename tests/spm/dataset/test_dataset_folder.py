"""The dataset's index and its mask files."""

import subprocess
import sys

import numpy as np
import pytest

from spm.dataset import sparse_npz
from spm.dataset.index import (
    COLUMNS,
    INDEX,
    Entry,
    entry_name,
    full_rectangle,
    load_cropped_masks,
    load_masks,
    read_index,
    save_masks,
)
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.run.files import write_csv


def make(folder, name="00000", **changes):
    for sub, suffix in (("imgs", "png"), ("rw_mask", "npz")):
        (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / sub / f"{name}.{suffix}").write_bytes(b"x")
    values = {
        "name": name, "source": "分子(15)", "origin": "分子", "height": 5, "width": 7,
        "image": folder / "imgs" / f"{name}.png", "masks": folder / "rw_mask" / f"{name}.npz",
        "labels": ["A1", 'B "2", x'], "valid": full_rectangle(5, 7) + 0.1, "partial": True,
        "file": "分子(15)_000.json", "class_names": ["C60", "a, b"],
    }  # fmt: skip
    return Entry(**(values | changes))


def test_index_round_trip(tmp_path):
    entries = [make(tmp_path, entry_name(i), partial=bool(i)) for i in range(2)]
    write_csv(tmp_path / INDEX, COLUMNS, [entry.row() for entry in entries])
    for read, made in zip(read_index(tmp_path), entries, strict=True):
        assert np.array_equal(read.valid, made.valid)
        read.valid = made.valid = np.zeros(0)
        assert str(read) == str(made)


def test_an_index_with_the_older_column(tmp_path):
    """Until November 2026 the image's column was called "picture"."""
    entry = make(tmp_path)
    older = ["picture" if column == "image" else column for column in COLUMNS]
    write_csv(tmp_path / INDEX, older, [entry.row()])
    assert read_index(tmp_path)[0].image == entry.image


def test_an_older_index_without_the_last_columns(tmp_path):
    write_csv(tmp_path / INDEX, COLUMNS[:-2], [make(tmp_path).row()[:-2]])
    (read,) = read_index(tmp_path)
    assert (read.file, read.class_names, read.labels) == ("", [], ["A1", 'B "2", x'])


def test_no_dataset_damage_and_missing_files(tmp_path):
    with pytest.raises(InputError, match="no dataset yet"):
        read_index(tmp_path)
    row = make(tmp_path).row()
    (tmp_path / INDEX).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not an index"):
        read_index(tmp_path)
    write_csv(tmp_path / INDEX, COLUMNS, [row[:-2]])
    with pytest.raises(InputError, match="line 2"):
        read_index(tmp_path)
    write_csv(tmp_path / INDEX, COLUMNS, [row])
    (tmp_path / "rw_mask" / "00000.npz").unlink()
    with pytest.raises(InputError, match="00000.npz"):
        read_index(tmp_path)


@pytest.mark.parametrize("path", ["../imgs/a.png", "/etc/passwd", "imgs/..", "other/a.png"])
def test_an_index_may_not_point_outside(tmp_path, path):
    row = make(tmp_path).row()
    row[3] = path
    write_csv(tmp_path / INDEX, COLUMNS, [row])
    with pytest.raises(InputError, match="not a file of this dataset"):
        read_index(tmp_path)


def store(path, masks):
    """Write (H, W, N) masks."""
    cropped = [CroppedMask.of_mask(masks[:, :, k]) for k in range(masks.shape[2])]
    save_masks(path, cropped, *masks.shape[:2])


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 0), (1, 1, 1), (40, 64, 300)])
def test_masks_round_trip_and_plain_numpy_reads_them(tmp_path, shape, rng):
    masks = (rng.random(shape) < 0.1).astype(np.uint8)
    path = tmp_path / "分 子.npz"
    store(path, masks)
    assert np.array_equal(load_masks(path), masks)
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files[0] == "arr_0" and archive["arr_0"].dtype == np.uint8


def test_same_masks_same_file(tmp_path):
    masks = np.ones((4, 5, 2), np.uint8)
    store(tmp_path / "a.npz", masks)
    store(tmp_path / "b.npz", np.asfortranarray(masks))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_damaged_masks_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match="no such masks"):
        load_masks(path)
    store(path, np.ones((40, 50, 2), np.uint8))
    data = path.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:length])
        for read in (load_masks, load_cropped_masks):
            with pytest.raises(InputError, match="damaged"):
                read(path)
    for place in range(len(data)):  # a changed byte is noticed, or changes nothing
        changed = bytearray(data)
        changed[place] ^= 255
        path.write_bytes(changed)
        try:
            masks = load_cropped_masks(path)
        except InputError:
            continue
        assert [m.box for m in masks] == [(0, 0, 40, 50)] * 2
        assert all(m.pixels.all() for m in masks)
    np.savez(path, np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        load_masks(path)
    np.savez(path, np.ones((2, 2)))
    with pytest.raises(InputError, match="not \\(H, W, N\\) uint8"):
        load_masks(path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_masks_are_read_one_by_one_in_their_boxes(tmp_path, order):
    masks = np.zeros((30, 40, 4), np.uint8, order)
    masks[5:9, 7:20, 0] = masks[0, 39, 1] = masks[29, :, 3] = 1  # the third has no pixel
    np.savez_compressed(tmp_path / "numpy.npz", masks)
    store(tmp_path / "ours.npz", masks)
    for name in ("numpy.npz", "ours.npz"):
        found = load_cropped_masks(tmp_path / name)
        assert [m.box for m in found] == [
            (5, 7, 9, 20), (0, 39, 1, 40), (0, 0, 0, 0), (29, 0, 30, 40),
        ]  # fmt: skip
        assert all(m.pixels.dtype == bool and m.pixels.all() for m in found)


def test_the_format_of_more_than_four_gigabytes(tmp_path, monkeypatch):
    """Such a file is only larger: the 64-bit format is used for a small one here."""
    masks = np.zeros((50, 60, 5), np.uint8)
    masks[10:20, 10:20, 2] = 1
    store(tmp_path / "usual.npz", masks)
    monkeypatch.setattr(sparse_npz, "ZIP64_FROM", 1000)
    store(tmp_path / "large.npz", masks)
    usual, large = ((tmp_path / f"{n}.npz").read_bytes() for n in ("usual", "large"))
    assert len(large) == len(usual) + 2 * 20  # the extra field, twice
    assert np.array_equal(load_masks(tmp_path / "large.npz"), masks)
    assert load_cropped_masks(tmp_path / "large.npz")[2].box == (10, 10, 20, 20)
    subprocess.run([sys.executable, "-m", "zipfile", "-t", tmp_path / "large.npz"], check=True)
