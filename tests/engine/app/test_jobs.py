"""Scripts started from the page: each a process of its own that no server's end stops."""

import json
import os
import signal
import time

import pytest
from app_server import Server, demo_project, drawn

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from engine.app.job_files import LOCK, RECORD, STATUS, is_running, locked
from engine.app.jobs import arguments
from engine.app.training_progress import progress
from spm.errors import InputError
from spm.run.command_line import parse
from spm.run.provenance import write_record
from train_test import Training
from workflow import Workflow, main

PATIENCE = 240.0  # seconds, on a machine that others keep busy


def wait(server, until):
    """Ask for the job until it is as it should be."""
    end = time.monotonic() + PATIENCE
    while not until(job := server.good("GET", "/api/job")):
        assert time.monotonic() < end, job
        time.sleep(0.1)
    return job


@pytest.fixture
def project(tmp_path):
    return demo_project(tmp_path)


def test_a_job_outlives_its_server_and_the_next_one_stops_it(project):
    """The workflow's data steps, with so many copies that they go on for minutes."""
    options = {"aug_times": 400, "workers": 1}
    with Server(project) as first:
        assert first.good("GET", "/api/job") is None
        job = first.good("POST", "/api/job", {"kind": "workflow", "options": options})
        assert job["running"] and job["kind"] == "workflow" and job["status"] is None
        first.end(getattr(signal, "SIGKILL", signal.SIGTERM))
    with Server(project) as second:
        job = wait(second, lambda job: job["log"])
        assert job["running"] and job["phase"] == "preparing" and job["losses"] == []
        status, answer = second.ask("POST", "/api/job", {"kind": "predict"})
        assert status == 409 and "stop" in answer["error"]
        while not list((project / "before").glob("*.png")):
            assert second.good("GET", "/api/job")["running"]
            time.sleep(0.1)
        assert second.good("GET", "/api/state")["job"]["running"]
        second.good("POST", "/api/job/stop", {})
        job = wait(second, lambda job: not job["running"])
    assert job["stopped"] and job["status"] == 130 and job["log"][-1] == "stopped."
    assert job["phase"] == "ended" and job["ended"] >= job["started"]
    assert not list(project.rglob(".~*")) and not (project / "before" / ".lock").exists()


def test_what_a_script_says_of_wrong_input_is_its_log(project):
    """There are no weights. The same job is over for a server that starts later."""
    with Server(project) as server:
        server.good("POST", "/api/job", {"kind": "predict", "options": {"files": ["00-cut.png"]}})
        job = wait(server, lambda job: not job["running"])
        assert job["status"] == 1 and not job["stopped"]
        assert job["log"][-1].startswith("error: logs: there are no trained weights")
        command = json.loads((project / "logs" / RECORD).read_text(encoding="utf-8"))["command"]
        assert str(project.joinpath("images", "00-cut.png").relative_to(project)) in command
    (project / "logs" / STATUS).unlink()  # as if it had been killed
    with Server(project) as server:
        job = server.good("GET", "/api/job")
        assert not job["running"] and job["status"] is None and job["phase"] == "ended"


@pytest.mark.parametrize(
    ("sent", "status"),
    [({"kind": "format"}, 400), ({"kind": 1}, 400), ({}, 400),
     ({"kind": "workflow", "options": {"out_dir": "/tmp"}}, 422),
     ({"kind": "workflow", "options": {"epochs": 0}}, 422),
     ({"kind": "workflow", "options": {"check": True}}, 422),
     ({"kind": "workflow", "options": {"init_with": "/etc/passwd"}}, 422),
     ({"kind": "workflow", "options": {"scheduler": "tcp://10.0.0.1:1"}}, 422),
     ({"kind": "train", "options": {"coco_weights": "x.h5"}}, 422),
     ({"kind": "predict", "options": {"files": ["../secret.png"]}}, 404),
     ({"kind": "predict", "options": {"files": "00.png"}}, 400),
     ({"kind": "add", "options": {"add": []}}, 422),
     ({"kind": "add", "options": {"add": ["00.png"]}}, 422)],
)  # fmt: skip
def test_what_cannot_be_started_is_not(shared, sent, status):
    got, answer = shared.ask("POST", "/api/job", sent)
    assert got == status and answer["error"]
    assert not (shared.project / "logs" / RECORD).exists()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Server(demo_project(tmp_path_factory.mktemp("shared"))) as running:
        yield running


def test_options_are_the_flags_of_the_command_line():
    options = {"epochs": 3, "self_training": True, "mirror": False, "class_names": ["A", "-b"],
               "score_threshold": 0.25, "augment": "online", "steps_per_epoch": None}  # fmt: skip
    flags = arguments(Workflow, {k: v for k, v in options.items() if k != "class_names"})
    settings, _ = parse(main, [*flags, "--class-names", "A", "b"])
    assert settings.training.epochs == 3 and settings.self_training and not settings.training.mirror
    assert settings.prediction.score_threshold == 0.25 and settings.training.augment == "online"
    assert arguments(Training, {"class_names": ["A", "b c"]}) == ["--class-names", "A", "b c"]
    with pytest.raises(InputError, match="class_names"):
        arguments(Training, {"class_names": ["A", "--log-dir"]})


def test_the_corrected_image_is_trained_on(project):
    with Server(project) as server:
        server.save("images/00.png", lambda sent: sent["shapes"].append(drawn()))
        server.good("POST", "/api/job", {"kind": "add", "options": {"add": ["00.png"]}})
        job = wait(server, lambda job: not job["running"])
        command = json.loads((project / "logs" / RECORD).read_text(encoding="utf-8"))["command"]
    assert command[-2:] == ["--add", os.path.join("images", "00.json")]  # noqa: PTH118
    assert job["status"] == 1 and "there are no trained weights" in job["log"][-1]


def test_a_lock_that_a_dead_job_left_holds_nobody(tmp_path):
    assert not is_running(tmp_path)
    (tmp_path / LOCK).write_text("4711", encoding="utf-8")
    assert not is_running(tmp_path)
    with locked(tmp_path):
        assert is_running(tmp_path)
    assert not is_running(tmp_path)


def test_the_progress_of_a_training(tmp_path, capsys):
    """Of the files and lines that the training itself writes."""
    from engine.callbacks import Told
    from mrcnn.training_callbacks import LossTable

    run = tmp_path / "shapes20261128T2103"
    started = time.time()
    assert progress(tmp_path, started, "", True)["losses"] == []
    run.mkdir()
    (run / ".lock").touch()
    write_record(run / "settings.json", {"stages": [["heads", 1, 1.0], ["all", 3, 0.1]]})
    found = progress(tmp_path, started, "", True)
    assert (found["epoch"], found["epochs"], found["minutes_left"]) == (0, 4, None)
    table = LossTable(run)
    for epoch, loss in enumerate((3.5, 2.25)):
        table.on_epoch_end(epoch, {"loss": loss, "val_loss": loss + 1})
    told = Told(1)
    told.begin()
    for epoch, loss in enumerate((3.5, 2.25)):
        told.begin_epoch(epoch)
        told.step()
        told.end_epoch(epoch, {"loss": loss, "val_loss": loss + 1})
    begun = "Training resnet18 on 1 image (online)\n"
    lines = capsys.readouterr().out.splitlines(keepends=True)
    now = time.time()
    os.utime(run / ".lock", (now - 300, now - 300))
    os.utime(run / "losses.csv", (now, now))
    found = progress(tmp_path, started, "".join([begun, *lines]), True)
    assert found["losses"][-1] == {"epoch": 2, "loss": 2.25, "val_loss": 3.25}
    assert (found["epoch"], found["epochs"]) == (2, 4)
    assert found["minutes_left"] == pytest.approx(5, abs=0.5)
    # One was trained before a stop: this job has trained the other, in five minutes.
    log = begun + lines[1]
    assert progress(tmp_path, started, log, True)["minutes_left"] == pytest.approx(10, abs=0.5)
    assert progress(tmp_path, started, log, False)["minutes_left"] is None
    assert progress(tmp_path, time.time() + 60, log, True)["losses"] == [], "an older run"
