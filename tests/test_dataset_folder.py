"""The dataset's index and its mask files."""

import numpy as np
import pytest

from spm.dataset_folder import (
    COLUMNS,
    INDEX,
    Entry,
    entry_name,
    full_rectangle,
    load_masks,
    read_index,
    save_masks,
)
from spm.errors import InputError
from spm.files import write_csv
from spm.sparse_npz import write_sparse


def make(folder, name="00000", **changes):
    for sub, suffix in (("imgs", "png"), ("rw_mask", "npz")):
        (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / sub / f"{name}.{suffix}").write_bytes(b"x")
    values = {
        "name": name, "source": "分子(15)", "origin": "分子", "height": 5, "width": 7,
        "picture": folder / "imgs" / f"{name}.png", "masks": folder / "rw_mask" / f"{name}.npz",
        "labels": ["A1", 'B "2", x'], "valid": full_rectangle(5, 7) + 0.1, "partial": True,
        "file": "分子(15)_000.json",
    }  # fmt: skip
    return Entry(**(values | changes))


def test_index_round_trip(tmp_path):
    entries = [make(tmp_path, entry_name(i), partial=bool(i)) for i in range(2)]
    write_csv(tmp_path / INDEX, COLUMNS, [entry.row() for entry in entries])
    for read, made in zip(read_index(tmp_path), entries, strict=True):
        assert np.array_equal(read.valid, made.valid)
        read.valid = made.valid = np.zeros(0)
        assert str(read) == str(made)


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


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 0), (1, 1, 1), (40, 64, 300)])
def test_masks_round_trip_and_plain_numpy_reads_them(tmp_path, shape, rng):
    masks = (rng.random(shape) < 0.1).astype(np.uint8)
    path = tmp_path / "分 子.npz"
    save_masks(path, masks)
    assert np.array_equal(load_masks(path), masks)
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == ["arr_0"] and archive["arr_0"].dtype == np.uint8


def test_same_masks_same_file(tmp_path):
    masks = np.ones((4, 5, 2), np.uint8)
    save_masks(tmp_path / "a.npz", masks)
    save_masks(tmp_path / "b.npz", np.asfortranarray(masks))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_damaged_masks_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match="no such masks"):
        load_masks(path)
    save_masks(path, np.ones((40, 50, 2), np.uint8))
    data = path.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="damaged"):
            load_masks(path)
    np.savez(path, np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        load_masks(path)
    np.savez(path, np.ones((2, 2)))
    with pytest.raises(InputError, match="not \\(H, W, N\\) uint8"):
        load_masks(path)


def test_masks_beyond_four_gigabytes_are_a_sentence(tmp_path):
    with pytest.raises(InputError, match="5000 molecules in 2130 x 2130"):
        write_sparse(tmp_path / "many.npz", (2130, 2130, 5000), iter(()))
    assert not list(tmp_path.iterdir())
