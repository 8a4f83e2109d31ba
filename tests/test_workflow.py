"""The whole chain with two training steps of a tiny network, in a folder with spaces and Chinese
letters. tests/engine/test_learning.py trains and predicts with the recipe's own network."""

import json
import shutil

import pytest
from checkout import ROOT
from tiny_recipe import TinyLight

import predict_big_pic
import train_test
import workflow
from engine.checkpoints import made_by_us
from engine.train import find_sources
from spm.dataset.index import load_masks, read_index
from spm.errors import InputError
from spm.structures.annotation import read_annotation, write_annotation
from spm.structures.instance_masks import instance_masks

FOLDERS = {
    "source_dir": "aug_test_in",
    "copies_dir": "before",
    "cache_dir": "re_mask_cache",
    "dataset_dir": "train_dataset",
    "log_dir": "logs",
    "images_dir": "images",
    "out_dir": "img_cache",
}


@pytest.fixture(scope="module", autouse=True)
def tiny(eagerly):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_test, "LightConfig", TinyLight)
        yield


@pytest.fixture(scope="module")
def house(tiny, tmp_path_factory):
    """A house with the demo's annotated crop, in which the workflow has run."""
    base = tmp_path_factory.mktemp("扫描 图像 [1]")
    folders = {key: base / name for key, name in FOLDERS.items()}
    shutil.copytree(ROOT / "aug_test_in", folders["source_dir"], ignore=only_the_demo)
    folders["images_dir"].mkdir()
    shutil.copy(ROOT / "images" / "00-cut.png", folders["images_dir"])
    run(folders)
    return folders


def only_the_demo(folder, names):
    return [name for name in names if not name.startswith("00-cut.")]


def run(folders, **changes):
    settings = {"aug_times": 1, "recipe": "cpu", "init_with": "none", "epochs": 1, "workers": 1}
    return workflow.main(**folders, **{**settings, "steps_per_epoch": 2, **changes})


def test_every_step_leaves_its_files(house):
    assert len(list(house["source_dir"].glob("*.json"))) == 72
    assert len(list(house["copies_dir"].glob("*.json"))) == 72
    assert len(read_index(house["dataset_dir"])) == 72
    runs = list(house["log_dir"].glob("shapes*"))
    assert len(runs) == 1
    for name in ("mask_rcnn_shapes_0001.h5", "losses.csv", "losses.png", "settings.json"):
        assert (runs[0] / name).stat().st_size > 0
    assert made_by_us(runs[0] / "mask_rcnn_shapes_0001.h5")["extra"]["partial"] is False
    assert list(runs[0].rglob("events.out.tfevents*"))
    record = json.loads((runs[0] / "settings.json").read_text(encoding="utf-8"))
    assert record["settings"]["class_names"] == ["003a", "020a"], "named by the labels alone"
    for name in ("predicted.png", "molecules.csv", "predicted.json"):
        assert (house["out_dir"] / f"00-cut_{name}").stat().st_size > 0


def test_every_mask_belongs_to_its_image(house):
    """Pitfall 8: masks were paired by listing order."""
    entries = read_index(house["dataset_dir"])
    for entry in entries[::9]:
        copy = house["copies_dir"] / entry.file
        annotation = read_annotation(copy.with_suffix(".json"))
        assert entry.labels == [shape.label for shape in annotation.shapes]
        drawn, stored = instance_masks(annotation), load_masks(entry.masks)
        assert stored.shape == drawn.shape == (entry.height, entry.width, 22)
        assert (stored != drawn).mean() < 0.001
        assert entry.image.read_bytes() == copy.with_suffix(".png").read_bytes()


def test_a_second_run_replaces_and_augments_nothing_twice(house, monkeypatch, capsys):
    """Pitfall 4: the second run took the first one's copies as input. Training reads the dataset
    again; its first weights then stand in for what it would have made."""
    (first,) = house["log_dir"].glob("shapes*/mask_rcnn_shapes_0001.h5")
    asked = []

    def train(**settings):
        asked.append(find_sources("folder", settings["dataset_dir"], None, mirror=True))
        return first

    monkeypatch.setattr(train_test, "train_main", train)
    before = {p.name: p.read_bytes() for p in house["source_dir"].iterdir() if p.is_file()}
    user = json.loads(before["00-cut.json"])
    assert run(house) == 0
    after = {p.name: p.read_bytes() for p in house["source_dir"].iterdir() if p.is_file()}
    assert after == before
    assert json.loads(after["00-cut.json"]) == user
    assert len(read_index(house["dataset_dir"])) == len(asked[0]) == 72
    printed = capsys.readouterr().out
    assert "0 copies made, 71 up to date" in printed and "0 copies made, 72 up to date" in printed


def test_tidy_leaves_the_user_s_files_alone_in_their_folder(tmp_path, capsys):
    """And the dataset as it is: the next run makes the same copies again."""
    source = tmp_path / "in"
    shutil.copytree(ROOT / "aug_test_in", source, ignore=only_the_demo)
    (source / "my notes.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in source.iterdir()}
    folders = {name: tmp_path / name for name in ("copies_dir", "cache_dir", "dataset_dir")}
    settings = workflow.Workflow.of(
        source_dir=source, images_dir=ROOT / "images", aug_times=1, tidy=True, **folders
    )
    workflow.make_dataset(settings)
    assert {p.name: p.read_bytes() for p in source.iterdir() if p.name[0] != "."} == before
    made = {p.name: p.read_bytes() for p in folders["dataset_dir"].rglob("*.png")}
    assert len(read_index(folders["dataset_dir"])) == 72
    capsys.readouterr()
    workflow.make_dataset(settings.replace(tidy=False))
    printed = capsys.readouterr().out
    assert "71 copies made" in printed and "0 copies made, 72 up to date" in printed
    assert len(list(source.glob("*.json"))) == 72
    assert {p.name: p.read_bytes() for p in folders["dataset_dir"].rglob("*.png")} == made


def test_wrong_input_is_said_before_any_work(house, tmp_path):
    with pytest.raises(InputError, match="'003a1', .* belong to no known class"):
        run({**house, "copies_dir": tmp_path / "none"}, class_names=["molecule"])
    with pytest.raises(InputError, match="no image to recognise"):
        run({**house, "images_dir": tmp_path})
    assert not (tmp_path / "none").exists()


def test_a_second_round_learns_from_what_was_recognised(house, monkeypatch, capsys):
    """Two steps teach a network nothing: the truth stands in for what the first one found."""
    truth = read_annotation(house["source_dir"] / "00-cut.json")
    truth.image_name = "00-cut.png"
    recognise, weights = predict_big_pic.main, []
    learn, first = train_test.train_main, next(house["log_dir"].glob("shapes*/*_0001.h5"))

    def train(**settings):
        """The first training is the one of `house`; the second is a real one."""
        return learn(**settings) if weights else first

    def predict(**settings):
        weights.append(settings["weights"])
        if len(weights) > 1:
            return recognise(**settings)
        write_annotation(house["out_dir"] / "00-cut_predicted.json", truth)
        return 0

    monkeypatch.setattr(predict_big_pic, "main", predict)
    monkeypatch.setattr(train_test, "train_main", train)
    assert run(house, augment="online", self_training=True) == 0
    assert len(weights) == 2 and weights[0] != weights[1]
    pseudo_labels = house["log_dir"] / "self_training"
    assert sorted(p.name for p in pseudo_labels.glob("*.json")) == ["found0.json", "own0.json"]
    assert len(read_annotation(pseudo_labels / "found0.json").shapes) >= 10
    assert "on 2 images (online; none for validation)" in capsys.readouterr().out


def test_a_second_round_without_molecules_is_one_sentence(house, monkeypatch):
    nothing = read_annotation(house["source_dir"] / "00-cut.json")
    nothing.shapes = []

    def predict(**settings):
        write_annotation(house["out_dir"] / "00-cut_predicted.json", nothing)
        return 0

    monkeypatch.setattr(predict_big_pic, "main", predict)
    monkeypatch.setattr(train_test, "train_main", lambda **settings: house["log_dir"] / "a.h5")
    with pytest.raises(InputError, match="too few molecules were recognised for self-training"):
        run(house, augment="online", self_training=True)
