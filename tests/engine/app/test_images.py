"""Images and instrument files as the page gets them, takes them in and cuts them."""

import json
import os
import sys

import numpy as np
import pytest
from annotated import textured
from app_server import Server, drawn

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from engine.app.kept import Kept
from spm.instruments.heights import convert_file
from spm.io.images import decode_image, encode_png, read_image, write_image
from spm.io.pixel_size import read_scale, write_scaled_png
from spm.structures.annotation import read_annotation

SIDE = 96


def write_gsf(path, seed=1, side=SIDE):
    """A Gwyddion simple field of 48 x 48 nm, tilted and with lines of their own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    heights = 1e-10 * (np.sin(x / 5) * np.cos(y / 7) + 0.05 * x + rng.normal(0, 1, (side, 1)))
    head = (
        f"Gwyddion Simple Field 1.0\nXRes = {side}\nYRes = {side}\nXReal = 4.8e-8\n"
        "YReal = 4.8e-8\nXYUnits = m\nZUnits = m\nTitle = Topography\n"
    ).encode()
    path.write_bytes(head + b"\0" * (4 - len(head) % 4) + heights.astype("<f4").tobytes())


@pytest.fixture
def server(tmp_path):
    for name in ("images", "aug_test_in"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "images" / "a b.png", textured(SIDE, SIDE))
    write_scaled_png(tmp_path / "images" / "scaled.png", textured(SIDE, 64), 0.25)
    write_gsf(tmp_path / "images" / "scan.gsf")
    with Server(tmp_path) as running:
        yield running


def shown(server, place, **asked):
    return decode_image(server.good("GET", f"/api/image/{place}", **asked), place)


def test_images_as_they_are(server):
    folder = server.project / "images"
    assert np.array_equal(shown(server, "images/a b.png"), read_image(folder / "a b.png"))
    info = server.good("GET", "/api/info/images/scaled.png")
    assert (info["width"], info["height"], info["nm_per_pixel"]) == (64, SIDE, 0.25)
    assert not info["instrument"] and info["channels"] == []
    status, headers, _ = server.raw("GET", "/api/image/images/scaled.png", X_Token=server.token)
    given = {"X_Token": server.token, "If_None_Match": headers["etag"]}
    assert server.raw("GET", "/api/image/images/scaled.png", **given)[0] == 304
    write_image(folder / "scaled.png", textured(SIDE, 64, 9))
    assert server.raw("GET", "/api/image/images/scaled.png", **given)[0] == 200
    (folder / "broken.png").write_bytes(b"no image")
    status, answer = server.ask("GET", "/api/image/images/broken.png")
    assert status == 422 and "broken.png" in answer["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="names that other systems refuse")
def test_any_name_that_the_system_takes(server):
    folder = server.project / "images"
    for name in (b"12:30? <b>.png", b"\xff.png", b" a\\b%2e.png"):
        (folder / os.fsdecode(name)).write_bytes((folder / "a b.png").read_bytes())
    names = [image["name"] for image in server.good("GET", "/api/state")["images"]]
    odd = [" a\\b%2e.png", "12:30? <b>.png"]
    assert sorted(names) == [*odd, "a b.png", "scaled.png", "scan.gsf"]
    for name in odd:
        assert server.good("GET", f"/api/image/images/{name}").startswith(b"\x89PNG")
        server.save(f"images/{name}", lambda sent: sent["shapes"].append(drawn()))
        assert read_annotation((folder / name).with_suffix(".json")).labels == ["A"]


def test_an_instrument_file_is_previewed_and_converted_as_the_scripts_do(server):
    path, place = server.project / "images" / "scan.gsf", "images/scan.gsf"
    info = server.good("GET", f"/api/info/{place}")
    assert info["instrument"] and info["channels"] == ["Topography"] == [info["channel"]]
    assert (info["levelling"], info["colour_map"]) == ("both", "hot")
    assert info["nm_per_pixel"] == pytest.approx(0.5)
    assert np.array_equal(shown(server, place), convert_file(path).image)
    sent = {"levelling": "plane", "colour_map": "grey"}
    plane = convert_file(path, **sent).image
    assert np.array_equal(shown(server, place, **sent), plane)
    assert server.ask("GET", f"/api/image/{place}", levelling="flat")[0] == 422
    assert [p.name for p in path.parent.glob("scan*")] == ["scan.gsf"], "a preview writes nothing"

    server.save(place, lambda sent: sent["shapes"].append(drawn()))
    answer = server.good("POST", f"/api/convert/{place}", sent)
    assert answer == {"folder": "images", "name": "scan.png"}
    note = json.loads((path.parent / "scan_convert.json").read_text(encoding="utf-8"))
    assert (note["source"], note["levelling"], note["colour_map"]) == ("scan.gsf", "plane", "grey")
    assert np.array_equal(read_image(path.with_suffix(".png")), plane)
    for name in ("scan.png", "scan.gsf"):
        assert np.array_equal(shown(server, f"images/{name}"), plane)
        found = server.good("GET", f"/api/annotation/images/{name}")
        assert len(found["shapes"]) == 1, "what was outlined before is still there"
    info = server.good("GET", "/api/info/images/scan.png")
    assert info["instrument"] and (info["levelling"], info["colour_map"]) == ("plane", "grey")
    images = {i["name"]: i for i in server.good("GET", "/api/state")["images"]}
    assert "scan.gsf" not in images and images["scan.png"]["instrument"]
    assert images["scan.png"]["outlines"] == 1 and not images["a b.png"]["instrument"]
    status, answer = server.ask("POST", "/api/convert/images/a b.png", sent)
    assert status == 422 and "instrument" in answer["error"]


def test_a_large_scan_is_seen_before_it_is_levelled(server):
    folder = server.project / "images"
    write_gsf(folder / "large.gsf", side=500)
    quick = decode_image(server.good("GET", "/api/sight/images/large.gsf"), "sight")
    whole = shown(server, "images/large.gsf")
    assert quick.shape == (250, 250, 3) and whole.shape == (500, 500, 3)
    # The same heights in nearly the same colours: lines that were left out are levelled too.
    away = np.abs(quick.astype(int) - whole[::2, ::2])
    assert np.median(away) <= 2 and away.mean() < 12
    for name in ("large.gsf", "scan.gsf", "scaled.png"):  # levelled by now; small; an image
        assert server.raw("GET", f"/api/sight/images/{name}", X_Token=server.token)[0] == 204
    (folder / "bad.gsf").write_bytes((folder / "scan.gsf").read_bytes()[:500])
    status, answer = server.ask("GET", "/api/sight/images/bad.gsf")
    assert status == 422 and "bad.gsf" in answer["error"]


def test_files_are_taken_in_and_nothing_is_replaced(server):
    folder = server.project / "images"
    data = encode_png(textured(40, 50))
    assert server.good("POST", "/api/upload/images/新 1.png", data)["name"] == "新 1.png"
    assert (folder / "新 1.png").read_bytes() == data
    status, answer = server.ask("POST", "/api/upload/images/新 1.png", encode_png(textured(9, 9)))
    assert status == 409 and (folder / "新 1.png").read_bytes() == data
    write_gsf(server.project / "other.gsf", 7)
    scan = (server.project / "other.gsf").read_bytes()
    assert server.ask("POST", "/api/upload/images/other.gsf", scan)[0] == 200
    for name, content in (("x.png", b"no image"), ("x.doc", data), ("x.json", b"{}"),
                          ("x.png", b""), ("n" * 250 + ".png", data)):  # fmt: skip
        status, answer = server.ask("POST", f"/api/upload/images/{name}", content)
        assert status == 422 and name in answer["error"] and ".~" not in answer["error"]
    assert not list(folder.glob("x.*")) and not list(folder.glob(".*"))
    names = [image["name"] for image in server.good("GET", "/api/state")["images"]]
    assert {"新 1.png", "other.gsf"} <= set(names)


def test_a_piece_is_cut_out_under_a_free_name(server):
    place = {"left": 10, "top": 20, "width": 40, "height": 36}
    for name in ("scaled-cut.png", "scaled-cut_2.png"):
        answer = server.good("POST", "/api/crop/images/scaled.png", place)
        assert answer == {"folder": "aug_test_in", "name": name}
        piece = server.project / "aug_test_in" / name
        whole = read_image(server.project / "images" / "scaled.png")
        assert np.array_equal(read_image(piece), whole[20:56, 10:50]) and read_scale(piece) == 0.25
    for wrong in ({**place, "left": 50}, {**place, "width": 5}, {**place, "top": -1}, {"left": 1}):
        status, answer = server.ask("POST", "/api/crop/images/scaled.png", wrong)
        assert status in (400, 422) and answer["error"]
    assert len(list((server.project / "aug_test_in").glob("*"))) == 2


def test_one_click_and_all_alike(server):
    """On squares that stand out; spm.similarity's own tests say how well outlines fit."""
    image = np.full((200, 200, 3), 30, np.uint8)
    corners = [(x, y) for x in (30, 90, 150) for y in (40, 110)]
    for x, y in corners:
        image[y : y + 24, x : x + 24] = 220
    rng = np.random.default_rng(3)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    write_image(server.project / "images" / "squares.png", image)
    place = "images/squares.png"
    points = np.array(server.good("POST", f"/api/propose/{place}", {"x": 42, "y": 52})["points"])
    assert np.abs(points.min(0) - (30, 40)).max() < 3 and np.abs(points.max(0) - (54, 64)).max() < 3
    for wrong, status in (({"x": -5, "y": 3}, 422), ({"x": "a", "y": 3}, 400)):
        assert server.ask("POST", f"/api/propose/{place}", wrong)[0] == status
    sent = {"shapes": [drawn("square", points.tolist())]}
    found = server.good("POST", f"/api/alike/{place}", sent)["proposals"]
    middles = sorted(tuple(np.round(np.mean(p["points"], axis=0) / 10)) for p in found)
    assert middles == sorted(
        tuple(np.round((np.array(c) + 12) / 10)) for c in corners if c != (30, 40)
    )
    assert {p["class_name"] for p in found} == {"square"}
    assert server.ask("POST", f"/api/alike/{place}", {"shapes": []})[0] == 422


def test_what_is_kept_is_made_once_and_gives_way():
    made = []

    def make(key):
        return lambda: made.append(key) or key * 4

    kept = Kept(10, len)
    assert [kept.get(key, make(key)) for key in "abab"] == ["aaaa", "bbbb", "aaaa", "bbbb"]
    assert made == ["a", "b"]
    kept.get("c", make("c"))
    kept.get("b", make("b"))
    kept.get("a", make("a"))
    assert made == ["a", "b", "c", "a"]
