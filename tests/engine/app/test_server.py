"""The server as a whole: what it loads, what it tells of a project, its results, its end."""

import json
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from app_server import Server, demo_project
from checkout import ROOT
from results_folder import gas, write_result

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

HEAVY = ("tensorflow", "keras", "torch", "jax", "sklearn", "skimage", "matplotlib", "openvino")


def test_it_starts_fast_and_never_loads_a_network(tmp_path):
    """In less than a second of the processor; a check of the outlines does not load more."""
    code = (
        "import sys, time, app\n"
        "from engine.app import server\n"
        "project = app.project_of(app.Window())\n"
        "server.application(project, server.Keys(1))\n"
        "started = time.process_time()\n"
        "project.scripts.look(project)\n"
        f"print(started, *(set({HEAVY}) & set(sys.modules)))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=demo_project(tmp_path), capture_output=True, text=True,
        check=True, env={"PYTHONPATH": str(ROOT), "PATH": ""},
    ).stdout.split()  # fmt: skip
    assert float(said[0]) < 2 and said[1:] == []


def test_what_there_is_in_a_project(tmp_path):
    with Server(demo_project(tmp_path), "--language", "zh") as server:
        state = server.good("GET", "/api/state")
        assert (state["project"], state["language"]) == (tmp_path.name, "zh")
        found = {(i["folder"], i["name"]): i["outlines"] for i in state["images"]}
        assert found == {("images", "00-cut.png"): None, ("images", "00.png"): None,
                         ("aug_test_in", "00-cut.png"): 22}  # fmt: skip
        assert [one["name"] for one in state["classes"]] == ["003a", "020a"]
        assert state["palette"][:2] == [one["colour"] for one in state["classes"]]
        assert state["weights"] is None and state["job"] is None
        # A turned copy that a step made is none of the user's images.
        data = json.loads((tmp_path / "aug_test_in/00-cut.json").read_text(encoding="utf-8"))
        data |= {"derived": {"step": "L1"}, "imagePath": "00-cut(15).png"}
        for ending in (".png", ".json"):
            copy = tmp_path / f"aug_test_in/00-cut(15){ending}"
            copy.write_bytes((tmp_path / f"aug_test_in/00-cut{ending}").read_bytes())
        copy.write_text(json.dumps(data), encoding="utf-8")
        assert len(server.good("GET", "/api/state")["images"]) == 3


def test_of_hundreds_of_images_what_is_known_in_a_second_is_told_first(tmp_path, monkeypatch):
    import app
    from engine.app import state
    from engine.app.jobs import Jobs

    demo_project(tmp_path)
    (tmp_path / "img_cache").mkdir()
    write_result(tmp_path / "img_cache", "00", gas({"R": 5}, np.random.default_rng(1)))
    monkeypatch.chdir(tmp_path)
    project = app.project_of(app.Window())

    def told(seconds):
        monkeypatch.setattr(state, "SECONDS", seconds)
        found = state.state(project, Jobs(project, project.scripts.settings_of), None)
        return found["complete"], {
            i["name"]: (i["reading"], i["predicted"]) for i in found["images"]
        }

    complete, images = told(-1.0)
    assert not complete and images["00.png"] == (True, None)
    complete, images = told(60.0)
    assert complete and images["00.png"] == (False, 5)
    assert told(-1.0) == (complete, images), "what was read is known"


def test_the_results_and_their_files(tmp_path):
    with Server(demo_project(tmp_path)) as server:
        assert server.good("GET", "/api/results")["files"] == []
        rng = np.random.default_rng(1)
        write_result(tmp_path / "img_cache", "00", gas({"R": 5, "L": 3}, rng))
        write_result(tmp_path / "img_cache", "b c", gas({"R": 2}, rng))
        found = server.good("GET", "/api/results")
        assert [(f["name"], f["title"]) for f in found["files"]] == [
            ("00", "00.png"),
            ("b c", "b c"),
        ]
        assert found["files"][0]["counts"] == {"R": 5, "L": 3} and found["index"] is None
        table = found["files"][1]["table"]
        assert table == "b%20c_molecules.csv" and found["files"][1]["report"] is None
        status, _, body = server.raw("GET", f"/results/{table}?token={server.token}")
        assert status == 200 and body.startswith(b"number,label,class")
        assert server.ask("GET", "/results/nothing.csv")[0] == 404


def test_exports_take_the_corrections_and_lie_among_the_results(tmp_path):
    """Written by `spm.exports`, whose own tests read them with the other programs' libraries."""
    with Server(demo_project(tmp_path)) as server:
        asked = {"format": "coco"}
        status, answer = server.ask("POST", "/api/export", asked)
        assert status == 422 and "recognised" in answer["error"]
        rng = np.random.default_rng(1)
        write_result(tmp_path / "img_cache", "00", gas({"R": 5}, rng))
        write_result(tmp_path / "img_cache", "its image is gone", gas({"L": 3}, rng))
        server.save("images/00.png", lambda sent: sent["shapes"].pop())
        (file,) = server.good("POST", "/api/export", asked)["files"]
        coco = server.good("GET", f"/results/{file['path']}")
        assert [image["file_name"] for image in coco["images"]] == [
            "00.png",
            "its image is gone.png",
        ]
        assert len(coco["annotations"]) == 4 + 3
        for wanted, ending in (("imagej", "_rois.zip"), ("tiff", "_labels.tif")):
            files = server.good("POST", "/api/export", {"format": wanted})["files"]
            assert [one["name"] for one in files] == [
                f"00_predicted{ending}",
                f"its image is gone_predicted{ending}",
            ]
            for one in files:
                path = one["path"]
                assert server.raw("GET", f"/results/{path}?token={server.token}")[0] == 200
        assert server.ask("POST", "/api/export", {"format": "xls"})[0] == 422
        assert server.ask("POST", "/api/export", {"format": ["coco"]})[0] == 400


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_it_in_a_line(tmp_path):
    import signal

    server = Server(demo_project(tmp_path))
    assert server.end(signal.SIGINT) == "stopped.\n" and server.process.returncode == 130


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_in_the_middle_of_a_request(tmp_path):
    import signal

    server = Server(demo_project(tmp_path))
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(
            f"POST /api/upload/images/half.png HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"X-Token: {server.token}\r\nContent-Length: 1000\r\n\r\nhalf".encode()
        )
        while not list((tmp_path / "images").glob(".~*")):  # it is being received
            time.sleep(0.02)
        assert server.end(signal.SIGINT) == "stopped.\n"
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "00-cut.png",
        "00.png",
    ]


def test_a_missing_package_is_a_sentence(tmp_path):
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "import app; from spm.run import command_line; command_line.run(app.main, [])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the package uvicorn is not installed")
    assert "requirements-app.txt" in done.stderr and len(done.stderr.splitlines()) == 1
