"""What stands in the way of a run, beside the outlines that it is about."""

import numpy as np
import pytest
from app_server import Server, demo_project, drawn

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from spm.checks import preflight


def test_the_check_names_the_image_and_the_outline(tmp_path):
    with Server(demo_project(tmp_path)) as server:
        found = server.good("POST", "/api/check", {})
        assert found["ok"] and found["lines"][-1] == preflight.conclusion(preflight.Findings())
        assert "Classes from the labels: 003a (8), 020a (14)" in found["lines"]
        assert all(problem["level"] == "hint" for problem in found["problems"])

        place = "aug_test_in/00-cut.png"
        crossing = drawn("003a", [[200.0, 200], [240, 240], [240, 200], [200, 240]])

        def spoil(sent):
            twice = {**sent["shapes"][3], "id": ""}
            sent["shapes"] += [crossing, twice]

        ids = server.save(place, spoil)["ids"]
        found = server.good("POST", "/api/check", {})
        assert not found["ok"]
        (problem,) = [p for p in found["problems"] if p["level"] == "problem"]
        assert (problem["folder"], problem["name"]) == tuple(place.split("/"))
        assert problem["shape"] == ids[-2] and "crosses itself" in problem["text"]
        assert not problem["text"].startswith("aug_test_in")

        server.save(place, lambda sent: sent["shapes"].pop(-2))
        found = server.good("POST", "/api/check", {})
        (pair,) = [p for p in found["problems"] if p["kind"] == "overlapping outlines"]
        assert pair["shapes"] == [ids[3], ids[-1]] and "twice" in pair["text"]

        forgotten = server.good("GET", f"/api/annotation/{place}")["shapes"][8]["parts"][0]
        server.save(place, lambda sent: [sent["shapes"].pop() for _ in range(1)])
        server.save(place, lambda sent: sent["shapes"].pop(8))
        found = server.good("POST", "/api/check", {})
        places = [(p["x"], p["y"]) for p in found["problems"] if p["x"] is not None]
        middle = np.mean(forgotten, axis=0)
        assert any(np.hypot(*(middle - place)) < 10 for place in places), (places, middle)
