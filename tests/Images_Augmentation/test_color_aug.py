"""L2 and L3: techniques, random streams, and outlines that move with the pixels."""

import subprocess
import sys

import numpy as np
import pytest
from annotated import SQUARE, contents, put, textured
from checkout import ROOT

from Images_Augmentation import techniques
from Images_Augmentation.color_aug_img_json import main, stream
from Images_Augmentation.elastic import Field, random_field
from spm.errors import InputError
from spm.geometry.polygon_filling import polygon_mask
from spm.io.images import read_image
from spm.structures.annotation import read_annotation

SMALL = {"aug_times": 4, "workers": 1}


def test_names_counts_and_marks(tmp_path):
    put(tmp_path / "in", "cut", flags={"partial": True})
    main(in_dir=tmp_path / "in", out_dir=tmp_path / "out", seed=3, **SMALL)
    names = {f"cut_00{i}{suffix}" for i in range(4) for suffix in (".png", ".json")}
    assert set(contents(tmp_path / "out")) == names
    for path in (tmp_path / "out").glob("*.json"):
        read = read_annotation(path)
        made = read.derived
        assert read.read_image().shape == (40, 64, 3) and read.partial
        assert (made["source"], made["origin"], made["seed"]) == ("cut", "cut", 3)
        assert 1 <= len(made["techniques"]) <= 2
        assert made["moved"] == ("elastic" in made["techniques"])
        assert all(isinstance(flag, bool) for flag in read.flags.values())
        assert read.flags["derived"] and read.flags[f"techniques: {', '.join(made['techniques'])}"]
        assert made["valid"] == [[0, 0], [64, 0], [64, 40], [0, 40]]


def test_pitfall_6_same_files_with_any_number_of_processes(tmp_path):
    """Pitfall 6: one seed, same files; another process or order changes nothing."""
    for name in ("a", "b"):
        put(tmp_path / "in", name)
    for workers in (1, 2):
        main(in_dir=tmp_path / "in", out_dir=tmp_path / str(workers), aug_times=5, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    main(in_dir=tmp_path / "in", out_dir=tmp_path / "3", seed=1, aug_times=5, workers=1)
    assert contents(tmp_path / "1", "*.png") != contents(tmp_path / "3", "*.png")


def test_pitfall_6_no_two_copies_share_a_draw(tmp_path):
    """Pitfall 6: the same image under two names gets two different sets of copies."""
    for name in ("a", "b"):
        put(tmp_path / "in", name, seed=1)
    # Elastic only: a block dropout of so small an image may hit no block.
    settings = {"techniques": ["elastic"], "aug_times": 20, "workers": 1}
    main(in_dir=tmp_path / "in", out_dir=tmp_path / "out", **settings)
    images = contents(tmp_path / "out", "*.png")
    assert len(images) == 40 == len(set(images.values()))
    draws = {stream(0, name, copy).random() for name in ("a", "b") for copy in range(50)}
    assert len(draws) == 100


def smooth_field(height, width):
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return Field(3 * np.sin(rows / 9), 3 * np.cos(columns / 9))


def test_pitfall_7_outlines_move_with_the_pixels():
    """Pitfall 7: a smooth field of 3 pixels; the outline's mask is the moved mask."""
    field = smooth_field(60, 90)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.stack([45 + 22 * np.cos(angle), 30 + 18 * np.sin(angle)], 1)
    moved = field.move_image(polygon_mask(ring, 60, 90).astype(np.uint8)) > 0
    drawn = polygon_mask(field.move_points(ring), 60, 90)
    unmoved = polygon_mask(ring, 60, 90)
    assert (moved & drawn).sum() / (moved | drawn).sum() > 0.95
    assert (moved & unmoved).sum() / (moved | unmoved).sum() < 0.93


def test_a_shift_moves_points_by_exactly_that():
    field = Field(np.full((20, 30), 2, np.float32), np.full((20, 30), -1, np.float32))
    assert field.move_points(np.array([(10.0, 10.0)])).tolist() == [[8, 11]]
    assert field.move_points(np.array([(0.5, 19.5)])).tolist() == [[0, 20]]  # stays inside


def test_elastic_noise_is_imgaugs_in_size(rng):
    field = random_field(rng, 200, 200, alpha=3.0)
    for plane in (field.dx, field.dy):
        assert np.abs(plane).max() <= 3
        assert abs(plane.mean()) < 0.05 and plane.std() == pytest.approx(3 / 3**0.5, rel=0.03)
        # White: neighbours are independent.
        assert abs(np.corrcoef(plane[:, 1:].ravel(), plane[:, :-1].ravel())[0, 1]) < 0.03


def test_pitfall_7_elastic_copies_in_the_files(tmp_path):
    """Pitfall 7: where pixels moved the outlines did, elsewhere they did not."""
    source = put(tmp_path / "in")
    main(in_dir=tmp_path / "in", out_dir=tmp_path / "out", aug_times=12, workers=1)
    moved = 0
    for path in (tmp_path / "out").glob("*.json"):
        read = read_annotation(path)
        same = all(
            np.array_equal(a.points, b.points)
            for a, b in zip(read.shapes, source.shapes, strict=True)
        )
        assert same != read.derived["moved"]
        moved += read.derived["moved"]
    assert 0 < moved < 12


def test_dropout_blackens_the_stated_part(rng):
    image = np.full((100, 120, 3), 200, np.uint8)
    parts = []
    for _ in range(200):
        result = techniques.dropout(image, rng)
        assert set(np.unique(result)) <= {0, 200}
        parts.append((result == 0).mean())
    assert 0.04 < np.mean(parts) < 0.1 and max(parts) < 0.45 and (image == 200).all()


@pytest.mark.parametrize("name", techniques.TECHNIQUES)
def test_each_technique_alters_the_image_the_same_way_for_one_seed(name):
    image = textured(48, 56)
    kept = image.copy()
    results = []
    for seed in (0, 0, 1, 2, 3, 4, 5):
        result, field = techniques.apply(name, image, np.random.default_rng(seed))
        assert result.shape == image.shape and result.dtype == np.uint8
        assert (field is not None) == (name == "elastic")
        results.append(result)
    assert np.array_equal(image, kept)
    assert np.array_equal(results[0], results[1])
    assert any(not np.array_equal(result, image) for result in results)
    if name != "invert":
        assert any(not np.array_equal(results[0], other) for other in results[2:])


def test_all_techniques_in_one_run_do_not_depend_on_processes(tmp_path):
    put(tmp_path / "in")
    chosen = {"techniques": list(techniques.TECHNIQUES), "how_many": (3, 5), "aug_times": 16}
    for workers in (1, 2):
        main(in_dir=tmp_path / "in", out_dir=tmp_path / str(workers), workers=workers, **chosen)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_second_run_skips_and_other_settings_replace(tmp_path, capsys):
    put(tmp_path / "in")
    folders = {"in_dir": tmp_path / "in", "out_dir": tmp_path / "out"}
    main(**folders, **SMALL)
    first = contents(tmp_path / "out")
    main(**folders, **SMALL)
    assert "0 copies made, 4 up to date" in capsys.readouterr().out
    main(**folders, force=True, **SMALL)
    assert contents(tmp_path / "out") == first
    (tmp_path / "out" / "cut_001.png").unlink()
    main(**folders, **SMALL)
    assert "1 copy made, 3 up to date" in capsys.readouterr().out
    assert contents(tmp_path / "out") == first
    main(**folders, aug_times=2, workers=1)
    assert len(contents(tmp_path / "out")) == 4


def test_only_our_files_are_replaced(tmp_path):
    put(tmp_path / "in")
    put(tmp_path / "out", "my own")
    put(tmp_path / "out", "cut_001", seed=8)
    mine = contents(tmp_path / "out")
    with pytest.raises(InputError, match="cut_001.json: is not ours"):
        main(in_dir=tmp_path / "in", out_dir=tmp_path / "out", **SMALL)
    after = contents(tmp_path / "out")
    assert {name: after[name] for name in mine} == mine and "cut_003.png" in after


def test_l1_copies_are_sources_but_no_l2_copies(tmp_path):
    """Pitfall 4: copies of copies are not copied again."""
    from Images_Augmentation import geo_aug_img_json

    put(tmp_path / "in")
    geo_aug_img_json.main(in_dir=tmp_path / "in", angles=[90], flips=[])
    main(in_dir=tmp_path / "in", out_dir=tmp_path / "out", **SMALL)
    assert len(contents(tmp_path / "out", "*.png")) == 8
    read = read_annotation(tmp_path / "out" / "cut(90)_000.json")
    assert (read.derived["source"], read.derived["origin"]) == ("cut(90)", "cut")
    # Somebody copies before/ into aug_test_in/: still no sources.
    for name, data in contents(tmp_path / "out").items():
        (tmp_path / "in" / name).write_bytes(data)
    main(in_dir=tmp_path / "in", out_dir=tmp_path / "again", **SMALL)
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"techniques": ["blurr"]}, "blurr"),
        ({"techniques": []}, "at least one"),
        ({"techniques": ["blur", "blur"]}, "each once"),
        ({"how_many": (2, 1)}, "how_many"),
        ({"aug_times": 0}, "aug_times"),
        ({"seed": -1}, "seed"),
        ({"workers": -1}, "workers"),
    ],
)
def test_wrong_settings(tmp_path, settings, match):
    put(tmp_path / "in")
    with pytest.raises(InputError, match=match):
        main(in_dir=tmp_path / "in", out_dir=tmp_path / "out", **settings)


def test_command_line_from_another_folder(tmp_path):
    put(tmp_path / "输入 (1)")
    script = ROOT / "Images_Augmentation" / "color_aug_img_json.py"
    command = [sys.executable, str(script), "--in-dir", "输入 (1)", "--aug-times", "2"]
    done = subprocess.run(
        [*command, "--workers", "1"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(contents(tmp_path / "before", "*.png")) == 2
    assert read_image(tmp_path / "before" / "cut_000.png").shape == (40, 64, 3)


def test_square_moves_less_than_the_field(rng):
    """With independent noise an outline goes where its neighbourhood goes on average."""
    shifts = []
    for _ in range(50):
        field = random_field(rng, 40, 64, alpha=3.5)
        shifts.append(field.move_points(SQUARE) - SQUARE)
    assert 0.1 < np.std(shifts) < 3.5 / 3**0.5 / 3
