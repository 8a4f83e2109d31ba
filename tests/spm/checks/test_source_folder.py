"""One image annotated twice, two images in one file, what is passed over: at every door."""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from annotated import put, textured
from checkout import ROOT

import evaluate
from Images_Augmentation.copies import read_sources
from spm.checks import preflight
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.evaluation.metrics import ALL
from spm.io.images import encode_png, write_image
from spm.similarity.outlined_crops import cut_crops
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.shape import Shape

CLASSES = ["A", "B"]
CASES = Path(ROOT, "..", "..", "shared", "data", "cases")
CASES = CASES if CASES.is_dir() else Path(ROOT, "..", "shared", "data", "cases")


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "big.png", textured(50, 50))
    return tmp_path / "images"


def look(folder, images, class_names=CLASSES):
    return preflight.look(folder, images, ClassChoice(class_names))


def hints(findings):
    return "\n".join(preflight.report(findings))


def doors(folder):
    """What each reader of the user's annotations says of a folder."""
    paths = sorted(folder.glob("*.json"))
    _, problems = read_sources(folder)
    said = {"steps": "\n".join(problems)}
    for name, call in {
        "training": lambda: outlined_sources(folder),
        "t-SNE": lambda: cut_crops(paths, ClassChoice(CLASSES)),
        "evaluation": lambda: evaluate.main(truth=folder, predicted=folder, out=folder / "out"),
    }.items():
        with pytest.raises(InputError) as refused:
            call()
        said[name] = str(refused.value)
    return said


def test_one_image_with_two_annotations(tmp_path, images):
    """A browser's second download, `cut (1).json`, with fewer outlines."""
    folder = tmp_path / "in"
    annotation = put(folder)
    annotation.shapes.pop()
    write_annotation(folder / "cut (1).json", annotation)
    expected = "cut.json: is of the same image as cut (1).json"
    assert [expected in text for text in doors(folder).values()] == [True] * 4
    sources, _ = read_sources(folder)
    assert len(sources) == 1  # the others of a folder are done all the same
    assert expected in "".join(look(folder, images).problems)


def test_embedded_copies_of_one_image_are_known_by_the_name(tmp_path):
    put(tmp_path)
    data = base64.b64encode((tmp_path / "cut.png").read_bytes()).decode()
    (tmp_path / "cut.png").unlink()
    change(tmp_path / "cut.json", imageData=data)
    shutil.copy(tmp_path / "cut.json", tmp_path / "other.json")
    assert "same image as cut.json" in read_sources(tmp_path)[1][0]


def test_copies_of_an_image_under_other_names_are_told(tmp_path, images):
    folder = tmp_path / "in"
    put(folder, "a")
    put(folder, "b", seed=2)
    assert "copies of one image" not in hints(look(folder, images))
    put(folder, "c")
    assert "a.json, c.json: if their outlines differ" in hints(look(folder, images))


def test_two_partial_annotations_do_no_harm(tmp_path, images):
    folder = tmp_path / "in"
    put(folder, flags={"Partial": True})
    shutil.copy(folder / "cut.json", folder / "rest.json")
    assert read_sources(folder)[1] == [] and len(outlined_sources(folder)) == 2


def test_a_name_that_leads_to_another_image(tmp_path, images):
    folder = tmp_path / "in"
    put(folder, "a")
    put(folder, "b", seed=2)
    change(folder / "b.json", imagePath="a.png")
    (problem,) = read_sources(folder)[1]
    assert "b.json: is of the same image as a.json" in problem and "b.png lies beside" in problem
    (folder / "a.json").unlink()
    findings = look(folder, images)
    assert findings.problems == []
    assert "b.json: its imagePath is a.png, which is taken; b.png beside it is not" in hints(
        findings
    )


@pytest.mark.parametrize("how", ["inverted", "same", "a JPEG of the same", "another size"])
def test_an_embedded_image_that_differs(tmp_path, images, how, capsys):
    import cv2

    folder = tmp_path / "in"
    put(folder)
    image = textured(40, 64)
    inside = {"inverted": 255 - image, "another size": textured(40, 64)}.get(how, image)
    data = encode_png(inside, level=9)
    if how == "a JPEG of the same":
        data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    if how == "another size":
        write_image(folder / "cut.png", textured(50, 64))
    change(folder / "cut.json", imageData=base64.b64encode(data).decode())
    differs = how in ("inverted", "another size")
    kind = "embedded in it is taken, but cut.png beside it"
    assert (kind in hints(look(folder, images))) == differs
    outlined_sources(folder)
    assert (kind in capsys.readouterr().err) == differs
    read_sources(folder)
    assert (kind in capsys.readouterr().err) == differs


def test_exchanged_width_and_height_are_one_sentence(tmp_path, images):
    folder = tmp_path / "in"
    put(folder)
    change(folder / "cut.json", imageHeight=64, imageWidth=40)
    for problems in (read_sources(folder)[1], look(folder, images).problems):
        assert len(problems) == 1 and "width and height exchanged" in problems[0]


def test_what_is_passed_over_is_said(tmp_path, images):
    folder = tmp_path / "in"
    put(folder)
    put(folder / "more", "x")
    write_image(folder / "lonely.png", textured(9, 9))
    (folder / "annotations.xml").write_text("<annotations/>")
    (folder / "scan.abc").write_bytes(b"?")
    said = hints(look(folder, images))
    for part in (
        "more: 1 JSON file and 1 image in it are not used",
        "  lonely.png",
        "annotations.xml: annotations of another program; export them as COCO",
        "scan.abc: is left out",
    ):
        assert part in said
    assert "cut.png" not in said


def test_copies_are_no_truth(tmp_path, capsys):
    folder = tmp_path / "in"
    truth = put(folder, "a")
    (tmp_path / "out").mkdir()
    write_annotation(tmp_path / "out" / "a_predicted.json", truth)
    put(folder, "a(90)", extra={"derived": {"step": "geo"}})
    settings = {"truth": folder, "predicted": tmp_path / "out", "out": tmp_path / "e"}
    numbers = evaluate.main(**settings, figures=False)
    assert "1 copy of a step is left out" in capsys.readouterr().err
    assert numbers["mask"]["per_class"][ALL]["f1"] == 1
    (folder / "a.json").unlink()
    with pytest.raises(
        InputError, match="only copies that a step made .1.; give the folder of your"
    ):
        evaluate.main(**settings)


def square(x, y, side, label):
    return Shape(
        label, np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], float)
    )


def scene(folder, name, side, colour=(0, 0, 0), molecule=200, ground=60):
    image = np.full((200, 200, 3), ground, np.uint8)
    shapes = []
    for k in range(4):
        image[20 : 20 + side, 5 + 45 * k : 5 + 45 * k + side] = molecule
        shapes.append(square(5 + 45 * k, 20, side, f"A{k}"))
    image = np.clip(image.astype(int) + colour, 0, 255).astype(np.uint8)
    folder.mkdir(exist_ok=True)
    write_image(folder / f"{name}.png", image)
    write_annotation(folder / f"{name}.json", Annotation(shapes, 200, 200, f"{name}.png"))


def test_images_of_another_scale_colour_or_contrast(tmp_path, images):
    folder = tmp_path / "in"
    scene(folder, "a", 20)
    scene(folder, "same", 22)
    assert "unlike" not in hints(look(folder, images, ["A"]))
    scene(folder, "large", 40)
    scene(folder, "gold", 20, (40, 0, -40))
    scene(folder, "inverted", 20, molecule=60, ground=200)
    said = hints(look(folder, images, ["A"]))
    assert "A: 23 pixels in a.json, 45 in large.json (median diameter)" in said
    assert "coloured: gold.json; grey: a.json, inverted.json, large.json and 1 more" in said
    assert (
        "than the rest in a.json, gold.json, large.json and 1 more and darker in inverted" in said
    )


# --- the inputs that were handled wrongly ------------------------------------------------------


def case(name, tmp_path):
    folder = CASES / name
    if not folder.is_dir():
        pytest.skip("the inputs are not here")
    target = tmp_path / "in"
    shutil.copytree(folder, target)
    for path in (target, *target.iterdir()):
        path.chmod(0o755)
    return target


@pytest.mark.parametrize(
    ("name", "a", "b", "said"),
    [
        ("07-labelme-oriented-rectangle", 8, 8, ""),
        ("08-labelme-group-id", 8, 8, "003a1 has 2 parts"),
        ("09-labelme-mask-two-parts", 8, 8, ""),
        ("10-labelme-embedded-differs", 8, 8, "has other colours"),
        (
            "11-two-jsons-one-picture",
            8,
            8,
            "picture.json: is of the same image",
        ),
        ("embedded-picture-differs", 8, 14, "has other colours"),
        ("imagepath-names-another-picture", 16, 28, "b.json: is of the same image as a.json"),
        ("oriented-rectangle", 8, 14, ""),
        ("own-convert-json-beside", 8, 14, ""),
        ("partial-with-a-capital", 6, 0, "(the image is marked partial)"),
    ],
)
def test_cases(tmp_path, images, name, a, b, said):
    findings = look(case(name, tmp_path), images, ["003a", "020a"])
    text = "\n".join(findings.problems) + hints(findings)
    assert said in text
    assert bool(findings.problems) == ("same image" in said)
    if not findings.problems:
        assert findings.counts == {"003a": a, "020a": b}
