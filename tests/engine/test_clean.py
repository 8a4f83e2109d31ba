"""What may be deleted is told, and deleted only when asked; nothing else is touched."""

import os

import pytest
from annotated import put

from engine import clean
from engine.checkpoints import best_epoch, superseded
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from mrcnn.weights import save_weights
from spm.errors import InputError
from spm.run.files import folder_lock
from spm.run.provenance import write_record

LOSSES = "epoch,loss,val_loss\n1,3,3\n2,2,1.5\n3,1.5,1.8\n4,1,1.9\n"


def run_folder(logs, name, finished, epochs=4, state=True, **record):
    """A run as training leaves it, with weights files of no layers."""
    run = logs / name
    run.mkdir(parents=True)
    for epoch in range(1, epochs + 1):
        path = run / f"mask_rcnn_shapes_{epoch:04}.h5"
        threshold = 0.5 if finished and epoch == epochs else None
        save_weights(path, [], {"class_names": ["A"], "scale": 1.0, "score_threshold": threshold})
    if state:
        (run / f"mask_rcnn_shapes_{epochs:04}.state.npz").write_bytes(b"state")
    (run / "losses.csv").write_text(LOSSES, encoding="utf-8")
    write_record(run / "settings.json", {"starts_from": "nothing", **record})
    (run / "mine.h5").write_bytes(b"the user's copy")
    return run


def names(run):
    return sorted(p.name for p in run.iterdir() if p.suffix in (".h5", ".npz"))


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_best_epoch_is_that_of_the_validation_images(tmp_path):
    run = run_folder(tmp_path, "shapes20260101T0000", True)
    assert best_epoch(run) == 2
    (run / "losses.csv").write_text("epoch,loss\n1,3\n2,2\n3,1\n", encoding="utf-8")
    assert best_epoch(run) == 3
    (run / "losses.csv").write_text("epoch", encoding="utf-8")
    assert best_epoch(run) is None
    (run / "losses.csv").unlink()
    assert best_epoch(run) is None
    assert [p.name for p in superseded(run, False)] == [
        f"mask_rcnn_shapes_000{k}.h5" for k in (2, 1)
    ]


def test_old_weights_go_and_what_is_needed_stays(house, capsys):
    logs = house / "logs"
    ended = run_folder(logs, "shapes20260101T0000", True)
    from_it = {"starts_from": str(ended / "mask_rcnn_shapes_0001.h5")}
    cut_off = run_folder(logs, "shapes20260102T0000", False)
    newest = run_folder(logs, "shapes20260103T0000", False, **from_it)
    before = {run: names(run) for run in (ended, cut_off, newest)}
    assert clean.main() == 0
    assert "Nothing was deleted" in capsys.readouterr().out
    assert {run: names(run) for run in (ended, cut_off, newest)} == before
    assert clean.main(remove=True) == 0
    stays = [f"mask_rcnn_shapes_000{k}.h5" for k in (1, 2, 4)]
    # The first epoch is what the newest training started from.
    assert names(ended) == [*stays, "mine.h5"]
    assert names(cut_off) == [*stays[1:], "mine.h5"]
    # It can be gone on with: the last two, the best, and the state.
    kept = [f"mask_rcnn_shapes_000{k}.h5" for k in (2, 3, 4)]
    assert names(newest) == [*kept, "mask_rcnn_shapes_0004.state.npz", "mine.h5"]


def test_an_exported_network_goes_with_its_weights(house):
    run = run_folder(house / "logs", "shapes20260101T0000", True)
    for epoch in (1, 4):
        (run / f"mask_rcnn_shapes_{epoch:04}.openvino").write_bytes(b"network")
    (run / "mine.openvino").write_bytes(b"the user's own")
    clean.main(remove=True)
    left = sorted(p.name for p in run.glob("*.openvino"))
    assert left == ["mask_rcnn_shapes_0004.openvino", "mine.openvino"]


def test_a_run_at_work_is_left_alone(house):
    run = run_folder(house / "logs", "shapes20260101T0000", True)
    before = names(run)
    with folder_lock(run), pytest.raises(InputError, match="shapes20260101T0000"):
        clean.main(remove=True)
    assert names(run) == before


def test_only_files_of_the_data_steps_go_and_only_untouched_ones(house, capsys):
    put(house / "aug_test_in", "cut")
    mine = {p.name for p in (house / "aug_test_in").iterdir()}
    geo_aug_img_json.main(angles=[90], flips=[], workers=1)
    color_aug_img_json.main(aug_times=2, workers=1)
    (house / "before" / "note.txt").write_text("mine", encoding="utf-8")
    changed = house / "before" / "cut_000.json"
    changed.write_text(changed.read_text(encoding="utf-8") + " ", encoding="utf-8")
    os.utime(changed, ns=(1, 1))
    made = {p.name for p in (house / "before").iterdir()}
    assert clean.main(remove=True) == 0  # copies are not among what goes by default
    assert {p.name for p in (house / "before").iterdir()} == made
    assert clean.main(remove=True, what=["copies"]) == 0
    assert "copies: 9 files" in capsys.readouterr().out
    left = {p.name for p in (house / "aug_test_in").iterdir() if p.name[0] != "."}
    assert left == {name for name in mine if name[0] != "."}
    left = {p.name for p in (house / "before").iterdir() if p.name[0] != "."}
    assert left == {"note.txt", "cut_000.json"}
    # The steps make anew what went, and do not write over what was changed.
    geo_aug_img_json.main(angles=[90], flips=[], workers=1)
    assert (house / "aug_test_in" / "cut(90).png").exists()


def test_tiles_of_results_go(house):
    results = house / "img_cache"
    for name in ("pre_predict/a_r00_c01.png", "post_predict/a_r00_c01.png", "a_predicted.json",
                 "pre_predict/b_r00_c01.png", "pre_predict/a.png", "a_predicted.png"):  # fmt: skip
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert clean.main(remove=True) == 0
    left = sorted(p.relative_to(results).as_posix() for p in results.rglob("*") if p.is_file())
    assert left == ["a_predicted.json", "a_predicted.png", "pre_predict/a.png",
                    "pre_predict/b_r00_c01.png"]  # fmt: skip


def test_nothing_there_is_nothing_to_do(house, capsys):
    assert clean.main() == 0
    assert "weights: 0 files, 0 MB" in capsys.readouterr().out and not list(house.iterdir())
