"""The data steps one after the other: a mask always belongs to its image."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from annotated import contents, put, textured
from checkout import ROOT
from PIL import Image

import fast_json_to_dataset
import pre_draw_mask
import re_write_mask
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from spm.dataset.index import load_masks, read_index
from spm.dataset.writing import label_colours
from spm.errors import InputError
from spm.io.images import read_image, write_image
from spm.run.files import folder_lock
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.instance_masks import instance_masks, label_image
from spm.structures.shape import Shape


def run_chain(root, workers=1, force=False, angles=(40, 90), aug_times=4):
    """Run all five steps in the folders below `root`."""
    shared = {"workers": workers, "force": force}
    geo_aug_img_json.main(in_dir=root / "in", angles=angles, flips=["lr"], **shared)
    color_aug_img_json.main(
        in_dir=root / "in", out_dir=root / "before", aug_times=aug_times, **shared
    )
    pre_draw_mask.main(in_dir=root / "in", out_dir=root / "cache", **shared)
    re_write_mask.main(
        copies_dir=root / "before", cache_dir=root / "cache", out_dir=root / "ds", **shared
    )
    fast_json_to_dataset.main(
        in_dir=root / "before", cache_dir=root / "cache", out_dir=root / "ds", **shared
    )


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    root = tmp_path_factory.mktemp("链 (1) [x]")
    put(root / "in", "a", 40, 64)
    put(root / "in", "b10", 65, 64, seed=2, flags={"partial": True})
    put(root / "in", "b9", 40, 64, seed=3)
    run_chain(root)
    return root


def test_pitfall_8_every_entry_is_one_images_own(chain):
    """Pitfall 8: image, masks, label image and names of each entry come from one file."""
    entries = read_index(chain / "ds")
    assert len(entries) == 3 * 6 * 4
    assert len({entry.file for entry in entries}) == len(entries)
    for entry in entries:
        annotation = read_annotation(chain / "before" / entry.file)
        assert entry.image.read_bytes() == annotation.image_path().read_bytes()
        masks = load_masks(entry.masks)
        assert np.array_equal(masks, instance_masks(annotation))
        assert masks.shape == (entry.height, entry.width, len(entry.labels))
        with Image.open(chain / "ds" / "mask" / f"{entry.name}.png") as image:
            assert image.mode == "P" and np.array_equal(np.asarray(image), label_image(annotation))
        text = (chain / "ds" / "yaml" / f"{entry.name}.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text) == {"label_names": ["_background_", *entry.labels]}
        view = chain / "ds" / "label_viz" / f"{entry.name}.png"
        assert read_image(view).std() > 5
        assert entry.origin in ("a", "b10", "b9") and entry.source.startswith(entry.origin)
        assert entry.partial == (entry.origin == "b10")
        assert np.array_equal(entry.valid, annotation.derived["valid"])


@pytest.mark.parametrize(
    ("labels", "named", "colours"),
    [
        (["C60", "C70", "C60", "C70"], None, [0, 1, 0, 1]),
        (["C601", "C701", "C602"], ["C70,C60"], [1, 0, 1]),
        (["003a1", "003a2", "020a1"], None, [0, 0, 1]),
    ],
)
def test_the_overlay_shows_classes(tmp_path, labels, named, colours):
    """Classes whose names end in digits, too: C60 and C70 are not one."""
    places = [np.array([[5, 5], [25, 5], [25, 25], [5, 25]]) + [30 * k, 0] for k in range(4)]
    shapes = [Shape(label, place) for label, place in zip(labels, places, strict=False)]
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", np.full((40, 130, 3), 90, np.uint8))
    write_annotation(tmp_path / "in" / "a.json", Annotation(shapes, 40, 130, "a.png"))
    pre_draw_mask.main(in_dir=tmp_path / "in", out_dir=tmp_path / "cache", class_names=named)
    fast_json_to_dataset.main(in_dir=tmp_path / "in", out_dir=tmp_path / "ds", class_names=named)
    for folder in ("cache", "ds"):
        view = read_image(next((tmp_path / folder / "label_viz").iterdir()))
        seen = [tuple(view[15, 5 + 30 * k]) for k in range(len(labels))]
        assert seen == [tuple(label_colours(65)[1 + colour]) for colour in colours]


def test_pitfall_9_not_square_images_get_masks(chain):
    """Pitfall 9: no mask is empty, whatever the image's shape."""
    for entry in read_index(chain / "ds"):
        assert (load_masks(entry.masks).sum(axis=(0, 1)) > 100).all()


def test_masks_are_shared_where_only_colours_changed(chain):
    kinds = {True: 0, False: 0}
    cache = {path.stat().st_ino for path in (chain / "cache" / "rw_mask").iterdir()}
    for entry in read_index(chain / "ds"):
        moved = read_annotation(chain / "before" / entry.file).derived["moved"]
        assert (entry.masks.stat().st_ino in cache) != moved
        kinds[moved] += 1
        assert entry.image.samefile(chain / "before" / entry.image.name.replace(
            entry.name, entry.file.removesuffix(".json")))  # fmt: skip
    assert min(kinds.values()) > 3


def test_cache_has_one_entry_for_each_l1_image(chain):
    entries = read_index(chain / "cache")
    assert len(entries) == 18
    for entry in entries:
        annotation = read_annotation(chain / "in" / entry.file)
        assert np.array_equal(load_masks(entry.masks), instance_masks(annotation))
        assert np.array_equal(read_image(entry.image), annotation.read_image())


def test_second_run_writes_nothing_and_says_so(chain, capsys):
    before = contents(chain)
    stamps = {path: path.stat().st_mtime_ns for path in chain.rglob("*.*") if path.is_file()}
    run_chain(chain)
    out = capsys.readouterr().out
    assert out.count("up to date") == 5 and " 0 copies made" in out and "0 entries and 0" in out
    assert contents(chain) == before
    for path, stamp in stamps.items():
        if path.name not in ("index.csv",) and not path.name.startswith("."):
            assert path.stat().st_mtime_ns == stamp


def test_two_processes_and_force_give_the_same_files(chain, tmp_path):
    for name in ("a", "b10", "b9"):
        for suffix in (".png", ".json"):
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in" / f"{name}{suffix}").write_bytes(
                (chain / "in" / f"{name}{suffix}").read_bytes()
            )
    run_chain(tmp_path, workers=2)
    assert contents(tmp_path) == contents(chain)
    run_chain(tmp_path, workers=1, force=True)
    assert contents(tmp_path) == contents(chain)


def test_fewer_copies_leave_no_old_entries(tmp_path):
    put(tmp_path / "in")
    run_chain(tmp_path, aug_times=3)
    run_chain(tmp_path, aug_times=2, angles=(90,))
    entries = read_index(tmp_path / "ds")
    assert len(entries) == 8
    for folder in ("imgs", "mask", "yaml", "label_viz", "rw_mask"):
        assert len(list((tmp_path / "ds" / folder).iterdir())) == 8
    run_chain(tmp_path, aug_times=2, angles=(90,))


def test_a_changed_outline_reaches_the_dataset(tmp_path):
    put(tmp_path / "in")
    run_chain(tmp_path, angles=(90,), aug_times=2)
    path = tmp_path / "in" / "cut.json"
    path.write_text(path.read_text().replace("[40.0, 12.0]", "[46.0, 12.0]"))
    run_chain(tmp_path, angles=(90,), aug_times=2)
    for entry in read_index(tmp_path / "ds"):
        annotation = read_annotation(tmp_path / "before" / entry.file)
        assert np.array_equal(load_masks(entry.masks), instance_masks(annotation))


def test_users_own_images_alone_make_a_dataset(tmp_path):
    put(tmp_path / "before", "own 一")
    put(tmp_path / "before", "grey")
    Image.fromarray(textured(40, 64)[:, :, 0]).save(tmp_path / "before" / "grey.png")
    fast_json_to_dataset.main(
        in_dir=tmp_path / "before", cache_dir=tmp_path / "no", out_dir=tmp_path / "ds",
        class_names=["A", "B"], workers=1,
    )  # fmt: skip
    entries = read_index(tmp_path / "ds")
    assert [entry.source for entry in entries] == ["grey", "own 一"]
    for entry in entries:
        assert entry.origin == entry.source and load_masks(entry.masks).shape == (40, 64, 2)
        assert read_image(entry.image).shape == (40, 64, 3)


def test_image_without_molecules(tmp_path):
    annotation = put(tmp_path / "in")
    annotation.shapes = []
    from spm.structures.annotation import write_annotation

    write_annotation(tmp_path / "in" / "cut.json", annotation)
    run_chain(tmp_path, angles=(30,), aug_times=2)
    for entry in read_index(tmp_path / "ds"):
        assert entry.labels == [] and load_masks(entry.masks).shape[2] == 0


def test_unknown_label_is_one_sentence_for_all_copies(chain):
    """Pitfall 10: nothing is dropped silently."""
    with pytest.raises(InputError) as error:
        fast_json_to_dataset.main(
            in_dir=chain / "before", cache_dir=chain / "cache", out_dir=chain / "ds",
            class_names=["A", "B2x"], workers=1,
        )  # fmt: skip
    (line,) = str(error.value).splitlines()
    assert "'B2'" in line and "(A, B2x)" in line and "71 more" in line
    with pytest.raises(InputError, match="'B2'"):
        pre_draw_mask.main(in_dir=chain / "in", out_dir=chain / "cache", class_names=["A"])
    with pytest.raises(InputError, match="collide"):
        pre_draw_mask.main(in_dir=chain / "in", out_dir=chain / "cache", class_names=["A", "A1"])


def test_bad_files_in_before_are_reported_and_the_rest_is_whole(tmp_path):
    before = tmp_path / "before"
    for name in ("a", "b", "c", "d"):
        put(before, name)
    (before / "b.json").write_text("{")
    write_image(before / "c.png", textured(30, 30))
    (before / "d.png").write_bytes((before / "d.png").read_bytes()[:300])
    with pytest.raises(InputError) as error:
        fast_json_to_dataset.main(
            in_dir=before, cache_dir=tmp_path, out_dir=tmp_path / "ds", workers=1
        )
    lines = str(error.value).splitlines()
    for name in ("b.json", "c.json", "d.png"):
        assert any(name in line for line in lines)
    assert [entry.source for entry in read_index(tmp_path / "ds")] == ["a"]


@pytest.mark.parametrize("step", [fast_json_to_dataset.main, pre_draw_mask.main])
def test_empty_and_missing_folders(tmp_path, step):
    with pytest.raises(InputError, match="no such folder"):
        step(in_dir=tmp_path / "none", out_dir=tmp_path / "ds")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no annotated image"):
        step(in_dir=tmp_path / "empty", out_dir=tmp_path / "ds")


def test_two_runs_in_one_folder(tmp_path):
    put(tmp_path / "before")
    with folder_lock(tmp_path / "ds"), pytest.raises(InputError, match="another run"):
        fast_json_to_dataset.main(
            in_dir=tmp_path / "before", cache_dir=tmp_path, out_dir=tmp_path / "ds", workers=1
        )


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_at_random_points_the_next_run_finishes(chain, tmp_path):
    """Each step is killed in the middle; then the chain gives the same files as undisturbed."""
    (tmp_path / "in").mkdir()
    for name in ("a", "b10", "b9"):
        for suffix in (".png", ".json"):
            data = (chain / "in" / f"{name}{suffix}").read_bytes()
            (tmp_path / "in" / f"{name}{suffix}").write_bytes(data)
    code = "import sys; sys.path[:0] = ['tests', 'tests/helpers', '.']\n"
    code += "from pathlib import Path; import test_data_chain as t; print('go', flush=True)\n"
    code += "t.run_chain(Path(sys.argv[1]))"
    draw = random.Random(5)
    for _ in range(6):
        command = [sys.executable, "-c", code, str(tmp_path)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"go\n"
        time.sleep(draw.uniform(0.0, 0.35))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    run_chain(tmp_path)
    assert contents(tmp_path) == contents(chain)
    assert not [p for p in tmp_path.rglob(".~*")]


def test_data_steps_import_no_network_library():
    """A data step starts in a second: neither TensorFlow nor imgaug is loaded with it."""
    code = "import sys, fast_json_to_dataset, pre_draw_mask, re_write_mask\n"
    code += "from Images_Augmentation import geo_aug_img_json, color_aug_img_json\n"
    code += (
        "heavy = {'tensorflow', 'keras', 'imgaug', 'matplotlib', 'sklearn', 'skimage', 'torch'}\n"
    )
    code += "print(sorted(heavy & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
