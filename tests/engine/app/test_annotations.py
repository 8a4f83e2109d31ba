"""Outlines read and saved over the server: nothing of a file is lost, nothing of another's."""

import base64
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from annotated import textured
from app_server import TRIANGLE, Server, drawn
from detectors import detections
from real_labelme import by_hand

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from engine.predict_image import predict_file
from spm import annotate
from spm.checks.predictions import is_corrected
from spm.inference.detector import Detector
from spm.inference.predict import Settings
from spm.io.images import encode_png, read_image, write_image
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.shape import Shape, region_area

SIDE = 96
BOXES = [(5, 6, 27, 30), (40, 40, 60, 60), (65, 20, 85, 45)]
DETECTOR = Detector(
    ["C60", "C70"], 1.0, SIDE, 0.5,
    lambda images: [detections(BOXES, [0, 1, 0], [0.9, 0.8, 0.7]) for _ in images],
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("STM 数据")
    for name in ("images", "aug_test_in"):
        (folder / name).mkdir()
    with Server(folder) as running:
        yield running


def image(server, name, seed=5, folder="images"):
    """Write an image; return how the page calls it."""
    write_image(server.project / folder / name, textured(SIDE, SIDE, seed))
    return f"{folder}/{name}"


def predict(server, name, seed=5):
    """Predict an image as predict_big_pic.py does; the JSON."""
    place, out = image(server, name, seed), server.project / "img_cache"
    stem = name.rpartition(".")[0]
    predict_file(server.project / place, stem, out, DETECTOR, Settings(), tile_images=False)
    return out / f"{stem}_predicted.json"


def test_what_the_page_does_not_know_stays(server):
    """Groups, descriptions, flags, keys of others, an embedded image, masks, circles, points."""
    place, path = image(server, "all.png"), server.project / "images" / "all.json"
    mask = np.ones((9, 12), bool)
    mask[3:6, 4:8] = False
    shapes = [
        Shape("A 7", np.array(TRIANGLE), description="the best", extra={"mine": {"x": [1, None]}}),
        Shape("B", np.array([[50.0, 50], [60, 50], [60, 60]]), group_id=3, flags={"odd": True}),
        Shape("B", np.array([[70.0, 50], [75, 50], [75, 60]]), group_id=3),
        Shape("C", np.array([[20.0, 70], [26, 70]]), "circle"),
        Shape("C", np.array([[40.0, 70], [51, 78]]), "mask", mask=mask),
        Shape("C", np.array([[70.0, 70], [80, 80]]), "rectangle"),
        Shape("dirt", np.array([[5.0, 90]]), "point"),
    ]
    png = encode_png(textured(SIDE, SIDE, 5))
    annotation = Annotation(shapes, SIDE, SIDE, "all.png", {"blurred": True}, extra={"by": "me"})
    annotation.image_bytes = png
    write_annotation(path, annotation, embed=True)
    before = json.loads(path.read_text(encoding="utf-8"))
    answer = server.save(place, lambda sent: None)
    after = json.loads(path.read_text(encoding="utf-8"))
    assert base64.b64decode(after["imageData"]) == png
    assert len(set(answer["ids"])) == 5, "the group is one molecule, the point is none"
    for shape in after["shapes"]:
        shape.pop("outline_id", None)
    assert after.pop("class_names") == ["A", "B", "C"]
    assert after == before


def test_outlines_are_drawn_renamed_moved_and_deleted(server):
    place, path = image(server, "edit.png"), server.project / "images" / "edit.json"
    hole = [[14.0, 14.0], [14.0, 20.0], [20.0, 20.0], [20.0, 14.0]]
    parts = [[[10.0, 10], [30, 10], [30, 30], [10, 30]], [[40.0, 10], [50, 10], [50, 20], [40, 20]]]

    def draw(sent):
        assert sent["revision"] == "new" and sent["shapes"] == []
        sent["flags"] = {"partial": True}
        sent["shapes"] = [
            drawn("C60", [[60.0, 60], [80, 60], [80, 80]]),
            {"class_name": "C60", "parts": parts, "holes": [hole]},
            {"class_name": "C60", "parts": parts[1:], "holes": []},
        ]

    ids = server.save(place, draw)["ids"]
    saved = read_annotation(path)
    assert saved.partial and saved.image_name == "edit.png"
    assert [region_area(shape) for shape in saved.shapes] == [200, 400 + 100 - 36, 100]
    shown = server.good("GET", f"/api/annotation/{place}")
    assert shown["source"] == "yours" and shown["flags"] == {"partial": True}
    assert [s["class_name"] for s in shown["shapes"]] == ["C60"] * 3, "and no number of a class C"
    assert [s["editable"] for s in shown["shapes"]] == [True, False, True]
    assert [len(s["parts"]) for s in shown["shapes"]] == [1, 2, 1]
    assert len(shown["shapes"][1]["holes"]) == 1 and [s["id"] for s in shown["shapes"]] == ids

    def change(sent):
        first, second, _ = sent["shapes"]
        first["parts"][0][0][0] += 5
        second["class_name"] = "C70"
        sent["shapes"] = [second, first]
        sent["flags"] = {"partial": False}

    assert server.save(place, change)["ids"] == [ids[1], ids[0]]
    saved = read_annotation(path)
    assert not saved.partial and saved.labels == ["C70", "C60"]
    assert [region_area(shape) for shape in saved.shapes] == [464, 150]
    classes = [one["name"] for one in server.good("GET", "/api/state")["classes"]]
    assert {"C60", "C70"} <= set(classes)
    server.save(place, lambda sent: sent.update(shapes=[]))
    assert read_annotation(path).shapes == []


@pytest.mark.parametrize(
    "shape",
    [drawn(" "), drawn("x" * 201), drawn("a\nb"), drawn(points=[[1, 1], [2, 2]]), drawn("A", "no"),
     drawn(points=[[1, 1], [2, 2], [3]]), drawn(points=[[1, 1], [2, 2], [3, 1e9]]),
     drawn(points=[[1, 1], [2, 2], [3, None]]), {"class_name": "A", "parts": []}, {"parts": []}, 7],
)  # fmt: skip
def test_what_is_no_outline_is_not_saved(server, shape):
    place = image(server, "bad.png")
    sent = {"revision": "new", "flags": {}, "shapes": [drawn(), shape]}
    status, answer = server.ask("PUT", f"/api/annotation/{place}", sent)
    assert status in (400, 422) and "Traceback" not in answer["error"]
    assert not (server.project / "images" / "bad.json").exists()


def test_a_stale_page_is_told_and_writes_nothing(server):
    place, path = image(server, "stale.png"), server.project / "images" / "stale.json"
    first = server.save(place, lambda sent: sent["shapes"].append(drawn()))
    server.save(place, lambda sent: sent["shapes"].append(drawn("B")))
    data = path.read_bytes()
    for revision in (first["revision"], "new", "x"):
        sent = {"revision": revision, "flags": {}, "shapes": []}
        status, answer = server.ask("PUT", f"/api/annotation/{place}", sent)
        assert status == 409 and path.read_bytes() == data
        assert answer["current"] == server.good("GET", f"/api/annotation/{place}")["revision"]
    path.unlink()  # the user's own doing counts too
    status, answer = server.ask("PUT", f"/api/annotation/{place}", {**sent, "revision": revision})
    assert status == 409 and answer["current"] == "new" and not path.exists()


def test_six_pages_at_once_lose_nothing(server):
    place = image(server, "busy.png")

    def page(k):
        for n in range(4):
            shape = drawn(f"page {k}", (np.array(TRIANGLE) + [k, n]).tolist())
            server.save(place, lambda sent, shape=shape: sent["shapes"].append(shape), tries=200)

    with ThreadPoolExecutor(6) as pages:
        list(pages.map(page, range(6)))
    labels = read_annotation(server.project / "images" / "busy.json").labels
    assert sorted(labels) == sorted(f"page {k}" for k in range(6) for _ in range(4))
    assert not list((server.project / "images").glob(".*"))


def test_a_correction_is_never_overwritten(server):
    result = predict(server, "scan 1.png")
    place, made = "images/scan 1.png", result.read_bytes()
    shown = server.good("GET", f"/api/annotation/{place}")
    assert shown["source"] == "prediction" and shown["shapes"][0]["score"] == 0.9
    server.save(place, lambda sent: None)
    assert not is_corrected(read_annotation(result)), "nothing was changed"

    server.save(place, lambda sent: sent["shapes"][0].update(class_name="C70"))
    corrected = read_annotation(result)
    assert is_corrected(corrected) and corrected.labels == ["C70", "C70", "C60"]
    assert corrected.shapes[0].extra["score"] == 0.9
    (entry,) = [i for i in server.good("GET", "/api/state")["images"] if i["name"] == "scan 1.png"]
    assert entry["corrected"] and entry["predicted"] == 3 and entry["outlines"] is None
    stale = server.good("GET", f"/api/annotation/{place}")

    predict(server, "scan 1.png")  # while the page is open
    status, _ = server.ask("PUT", f"/api/annotation/{place}", stale)
    assert status == 409
    shown = server.good("GET", f"/api/annotation/{place}")
    assert shown["source"] == "correction" and shown["file"] == "img_cache/scan 1_corrected.json"
    assert [s["class_name"] for s in shown["shapes"]] == ["C70", "C70", "C60"]
    again = server.good("GET", f"/api/annotation/{place}", version="prediction")
    assert [s["class_name"] for s in again["shapes"]] == ["C60", "C70", "C60"]
    assert again["source"] == "prediction"

    server.save(place, lambda sent: sent["shapes"].pop())
    kept = read_annotation(result.with_name("scan 1_corrected.json"))
    assert kept.labels == ["C70", "C70"]
    assert json.loads(made)["shapes"][0]["label"] == "C60"


def test_a_prediction_waits_while_a_page_saves(server, tmp_path):
    """The page has read the prediction and holds its file: the new one comes after it."""
    from spm.run.files import file_lock

    result = predict(server, "wait.png")
    with file_lock(result):
        prediction = threading.Thread(target=predict, args=(server, "wait.png"))
        prediction.start()
        prediction.join(1.0)
        assert prediction.is_alive()
        changed = read_annotation(result)
        changed.shapes = changed.shapes[1:]
        write_annotation(result, changed)
    prediction.join()
    assert len(read_annotation(result).shapes) == 3
    assert len(read_annotation(result.with_name("wait_corrected.json")).shapes) == 2


def test_what_labelme_does_not_show_is_outlined_in_a_copy(server):
    """As `python -m spm.annotate` does; the copy is made when there is something to save."""
    deep = (textured(SIDE, SIDE)[:, :, 0].astype(np.uint16)) * 257
    path = server.project / "images" / "deep.png"
    cv2.imwrite(str(path.with_name("x.png")), deep)
    path.with_name("x.png").rename(path)
    copy = server.project / "img_cache" / "deep.png"
    assert server.good("GET", "/api/annotation/images/deep.png")["file"] == "img_cache/deep.json"
    assert not copy.exists()
    server.save("images/deep.png", lambda sent: sent["shapes"].append(drawn()))
    assert np.array_equal(read_image(copy), read_image(path))
    folders = {name: server.project / folder for name, folder in
               (("out_dir", "img_cache"), ("source_dir", "aug_test_in"))}  # fmt: skip
    opened = annotate.to_open(annotate.Annotating(image=path, **folders))
    assert opened.path == copy.with_suffix(".json") and opened.annotation.labels == ["A"]


def test_labelme_opens_what_the_page_saves_and_the_other_way_round(server, tmp_path):
    place, path = image(server, "both.png", folder="aug_test_in"), server.project / "aug_test_in"
    shapes = [drawn("C60"), drawn("C70", [[60.0, 60], [80, 60], [80, 80]])]
    server.save(place, lambda sent: sent.update(shapes=shapes, flags={"partial": True}))
    seen = by_hand(path / "both.json", [["rename", 0, "C70"]], tmp_path)
    assert seen["shapes"] == ["C60", "C70"]
    shown = server.good("GET", f"/api/annotation/{place}")
    assert [s["class_name"] for s in shown["shapes"]] == ["C70", "C70"]
    assert shown["shapes"][0]["parts"] == [TRIANGLE] and shown["flags"] == {"partial": True}
    server.save(place, lambda sent: sent["shapes"][0].update(class_name="C60"))
    assert read_annotation(path / "both.json").labels == ["C60", "C70"]


def test_a_killed_server_has_lost_nothing_that_it_said_was_saved(tmp_path):
    for name in ("images", "aug_test_in"):
        (tmp_path / name).mkdir()
    for attempt in range(2):
        running, saved = Server(tmp_path), []
        place = image(running, "kill.png")
        path = tmp_path / "images" / "kill.json"

        def edit(running=running, saved=saved, place=place):
            with pytest.raises((OSError, AssertionError, ValueError)):
                while True:
                    shape = drawn("A", np.random.default_rng(len(saved)).random((400, 2)).tolist())
                    running.save(place, lambda sent, s=shape: sent["shapes"].append(s))
                    saved.append(shape)

        page = threading.Thread(target=edit)
        before = len(read_annotation(path).shapes) if attempt else 0
        page.start()
        while len(saved) < 8:
            page.join(0.01)
        running.end(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        page.join()
        # The last may have been saved without having been told.
        assert len(read_annotation(path).shapes) - before - len(saved) in (0, 1)
    with Server(tmp_path) as again:
        assert not list((tmp_path / "images").glob(".~*")), "leftovers are gone"
        before = len(read_annotation(path).shapes)
        again.save(place, lambda sent: sent["shapes"].append(drawn()))
        assert len(read_annotation(path).shapes) == before + 1
