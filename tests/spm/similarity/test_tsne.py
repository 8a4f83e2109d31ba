"""The t-SNE screening: crops, turning, scores, reports, and both doors of tsne_analysis.py."""

from __future__ import annotations

import csv
import math

import cv2
import numpy as np
import pytest

import tsne_analysis
from spm.errors import InputError
from spm.io.images import read_image, write_image
from spm.similarity import crop_distances, rotation_match, screening
from spm.similarity.crops import PATCH, VIEW, Crop, crop_from_file, read_crop_folder
from spm.similarity.outlined_crops import cut_crops, cut_patch
from spm.similarity.rotation_match import Turn, find_turns, turned_view
from spm.similarity.screening import Settings, screen
from spm.similarity.screening_report import conclusion, write_cleaned
from spm.simulate import molecule_crops
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.labels_together import without_number
from spm.structures.shape import Shape

QUICK = {"repeats": 1, "iterations": 250, "angle": 0.5, "jobs": 1}


def simulated(folder, class_name, count, seed=0, scrambled=0, rotation=5.0):
    """Write simulated crops of one class as files 1.png, 2.png, ... and return the folder."""
    folder.mkdir(parents=True)
    crops = molecule_crops(
        class_name, count, size=70, seed=seed, rotation=rotation, scrambled=scrambled
    )
    for k, crop in enumerate(crops, 1):
        write_image(folder / f"{k}.png", crop)
    return folder


def molecules_image(path, count=6, swapped=()):
    """Write an image of 2 x count separate molecules and its annotation; return the JSON path."""
    cells = [
        *molecule_crops("003a", count, size=70, seed=1),
        *molecule_crops("020a", count, size=70, seed=2),
    ]
    image = np.hstack([np.vstack(cells[:count]), np.vstack(cells[count:])])
    shapes = []
    for k in range(2 * count):
        name = "003a" if (k < count) != (k in swapped) else "020a"
        x, y = 70 * (k // count) + 35, 70 * (k % count) + 35
        turn = np.arange(0, 2 * np.pi, 0.3)
        points = np.stack([x + 31 * np.cos(turn), y + 31 * np.sin(turn)], 1)
        shapes.append(Shape(f"{name}{k}", points))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path.with_suffix(".png"), image)
    height, width = image.shape[:2]
    write_annotation(path, Annotation(shapes, height, width, path.with_suffix(".png").name))
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- crops ----------------------------------------------------------------------------------


def test_crop_folder_is_read_in_natural_order_from_any_name(tmp_path):
    folder = tmp_path / "分子 [A]"
    folder.mkdir()
    for name in ("10", "9"):
        write_image(folder / f"{name}.png", np.full((30, 40, 3), 100, np.uint8))
    crops = read_crop_folder(folder)
    assert [crop.name for crop in crops] == ["9", "10"]
    assert {crop.class_name for crop in crops} == {"分子 [A]"}
    assert crops[0].patch.shape == (PATCH, PATCH)
    assert crops[0].patch == pytest.approx(100)


def test_transparent_corners_take_the_level_of_their_rim(tmp_path):
    from PIL import Image

    array = np.full((60, 60, 4), (80, 80, 80, 255), np.uint8)
    array[:20, :20] = 0
    Image.fromarray(array).save(tmp_path / "a.png")
    crop = crop_from_file(tmp_path / "a.png", "A")
    assert crop.patch.min() == pytest.approx(80)


@pytest.mark.parametrize("make", ["missing", "empty", "tiny"])
def test_wrong_crop_folders_are_named(tmp_path, make):
    folder = tmp_path / make
    if make != "missing":
        folder.mkdir()
    if make == "tiny":
        write_image(folder / "a.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match=make):
        read_crop_folder(folder)


def test_patch_is_centred_on_its_point_in_an_image_that_is_not_square():
    """Pitfall 1: x and y must not change places; half pixels must not be lost."""
    grey = np.zeros((50, 200), np.float32)
    grey[30, 150] = 255  # its centre is (150.5, 30.5)
    inside = np.zeros((50, 200), bool)
    inside[25:36, 145:156] = True
    patch, masked, weight = cut_patch(grey, (150.5, 30.5), VIEW / 4, inside)
    rows, columns = np.mgrid[:PATCH, :PATCH]
    assert (rows * patch).sum() / patch.sum() == pytest.approx((PATCH - 1) / 2, abs=1e-3)
    assert (columns * patch).sum() / patch.sum() == pytest.approx((PATCH - 1) / 2, abs=1e-3)
    assert weight.all()
    assert masked[0, 0] == 0


def test_patch_beyond_the_border_has_no_weight():
    ones = np.ones((40, 40), np.float32)
    _, _, weight = cut_patch(ones, (0, 20), VIEW, ones.astype(bool))
    half = PATCH // 2
    assert not weight[:, :half].any()
    assert weight[half, half + 1] == 1


def test_without_number_takes_the_number_off():
    assert without_number("003a12") == "003a"
    assert without_number("molecule A 1") == "molecule A"
    assert without_number("13") == "13"


def test_classes_are_not_matched_as_substrings(tmp_path):
    """Pitfall 10: label 13x belongs to class 13x and not to class 3x; unknown ones are named."""
    path = molecules_image(tmp_path / "a.json")
    with pytest.raises(InputError, match="020a"):
        cut_crops([path], ClassChoice(["003a", "20a"]))


# --- turning --------------------------------------------------------------------------------


def test_turned_view_turns_counter_clockwise_and_moves():
    patch = np.zeros((PATCH, PATCH), np.float32)
    patch[47:49, 67:69] = 1  # 20 pixels to the right of the middle
    up = turned_view(patch, Turn(90.0))
    assert np.unravel_index(up.argmax(), up.shape)[0] in (9, 10)
    moved = turned_view(patch, Turn(0.0, dx=20.0))
    assert moved[29:31, 29:31] == pytest.approx(1)


@pytest.mark.parametrize("class_name", ["003a", "020a"])
def test_threefold_molecules_come_to_one_orientation(class_name):
    views = molecule_crops(class_name, 12, size=PATCH, seed=3, pixels_per_molecule=48)
    crops = [as_crop(cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float32)) for v in views]
    turns = find_turns(crops)
    before = crop_distances.pixel_distances(*crop_distances.scored_views(crops, [Turn()] * 12))
    after = crop_distances.pixel_distances(*crop_distances.scored_views(crops, turns))
    assert np.median(after) < 0.5 * np.median(before)
    assert min(turn.match for turn in turns) > 0.9


def as_crop(patch, class_name="A", name="1", weight=None):
    weight = np.ones_like(patch) if weight is None else weight
    return Crop(name, class_name, tsne_analysis.Path("x.png"), None, patch, patch, weight)


def test_a_shifted_crop_is_centred(rng):
    blob = np.exp(-(np.hypot(*np.mgrid[-48:48, -48:48]) ** 2) / 200).astype(np.float32) * 200
    shifts = [(0, 0), (4, 0), (0, -4), (-3, 2), (0, 0)]
    crops = [as_crop(np.roll(blob, s, (1, 0))) for s in shifts]
    turns = find_turns(crops, within=0)
    moved = np.array([(turn.dx, turn.dy) for turn in turns])
    assert moved - moved[0] == pytest.approx(np.array(shifts, float), abs=1.0)


def test_flat_crops_do_not_divide_by_zero():
    turns = find_turns([as_crop(np.full((PATCH, PATCH), 7.0, np.float32))] * 3)
    assert all(math.isfinite(turn.match) for turn in turns)


# --- scores ---------------------------------------------------------------------------------


def test_distance_ignores_brightness_and_contrast_and_unknown_pixels(rng):
    base = cv2.GaussianBlur(rng.uniform(0, 200, (VIEW, VIEW)).astype(np.float32), (0, 0), 3)
    spoilt = base.copy()
    spoilt[:, :20] = 255
    views = np.array([base, 0.5 * base + 40, -base, spoilt])
    weight = np.ones_like(views)
    d = crop_distances.pixel_distances(views, weight)
    assert d[0, 1] == pytest.approx(0, abs=1e-3)
    assert d[0, 2] == pytest.approx(math.sqrt(2), abs=0.02)
    assert d[0, 3] > 0.3
    weight[3, :, :25] = 0
    assert crop_distances.pixel_distances(views, weight)[0, 3] < 0.3 * d[0, 3]


def test_share_of_other_classes_by_hand():
    """Six points on a line; the point at 2.1 is called b but lies among the a's."""
    at = np.array([0.0, 1.0, 2.0, 2.1, 10.0, 11.0])
    labels = np.array(["a", "a", "a", "b", "b", "b"])
    distances = np.abs(at[:, None] - at)
    # A class of three has two voters: 1 and 2 for the point 0, 2.1 and 1 for 2, 2 and 1 for 2.1.
    expected = [0, 0, 0.5, 1, 0, 0]
    assert screening.other_share(distances, labels) == pytest.approx(expected)
    inseparable = {frozenset("ab")}
    assert screening.other_share(distances, labels, inseparable) == pytest.approx(np.zeros(6))
    alone = np.array(["a", "a", "a", "a", "a", "b"])
    assert screening.other_share(distances, alone)[5] == 0


def test_separation_by_hand():
    at = np.array([0.0, 1.0, 10.0, 11.0])
    distances = np.abs(at[:, None] - at)
    right, silhouette = screening.separation(distances, np.array(["a", "a", "b", "b"]))
    assert right == 1.0
    assert silhouette == pytest.approx(np.mean([1 - 1 / 10.5, 1 - 1 / 9.5] * 2))
    assert screening.separation(distances, np.array(["a", "b", "a", "b"]))[0] == 0.0


def test_strange_are_the_far_and_the_rough_in_classes_of_three_or_more():
    at = np.array([*np.linspace(0, 1, 12), 9.0])
    labels = np.array(["a"] * 13)
    even = np.full(13, 0.1)
    far = screening.strangeness(np.abs(at[:, None] - at), even, labels)
    assert far.argmax() == 12
    assert far[12] > 6
    rough = even.copy()
    rough[[3, 5]] = 0.4, 0.02
    near = screening.strangeness(np.ones((13, 13)), rough, labels)
    assert near[3] > 6
    assert near[5] > 6
    assert near[[0, 12]] == pytest.approx(0)
    assert screening.strangeness(np.ones((2, 2)), np.array([0.1, 9.0]), labels[:2]).tolist() == [
        0,
        0,
    ]


def test_chance_is_not_separability():
    def pair(accuracy, count, smallest):
        return screening.Pair("a", "b", accuracy, accuracy, 0.5, 0.5, count, smallest).conclusion

    assert pair(0.97, 60, 30) == "separable"
    assert pair(0.6, 60, 30) == "not separable"
    assert pair(0.86, 8, 4) == "not separable"
    assert pair(1.0, 30, 2) == "too few crops"


def test_swapped_and_spoilt_crops_come_first_and_clean_ones_do_not(tmp_path):
    crops = read_crop_folder(simulated(tmp_path / "A", "003a", 25, 1, scrambled=1))
    crops += read_crop_folder(simulated(tmp_path / "B", "020a", 25, 2, scrambled=1))
    for i, name in ((3, "B"), (9, "B"), (40, "A")):
        crops[i].class_name = name
    result = screen(crops, find_turns(crops, within=0), Settings(**QUICK))
    assert set(result.ranking[:5].tolist()) == {3, 9, 40, 24, 49}
    assert result.suspected.sum() <= 7
    assert result.pairs[0].conclusion == "separable"


def test_one_class_under_two_names_is_not_separable(tmp_path):
    crops = read_crop_folder(simulated(tmp_path / "A", "020a", 25, 1, rotation=180.0))
    crops += read_crop_folder(simulated(tmp_path / "B", "020a", 25, 2, rotation=180.0))
    result = screen(crops, find_turns(crops), Settings(**QUICK))
    assert result.pairs[0].conclusion == "not separable"
    assert not result.pixel_other.any()
    assert any("not separable" in line for line in conclusion(result))


def test_real_crops_are_separable_and_clean(shared_data):
    crops = read_crop_folder(shared_data / "tsne" / "A")
    crops += read_crop_folder(shared_data / "tsne" / "B")
    result = screen(crops, find_turns(crops, within=0), Settings(**QUICK))
    assert result.pairs[0].conclusion == "separable"
    assert result.suspected.sum() <= 3


def test_processes_do_not_change_the_result_and_repeats_differ(tmp_path):
    """Pitfall 6: each repeat has a random stream of its own, whatever the number of processes."""
    crops = read_crop_folder(simulated(tmp_path / "A", "003a", 5))
    crops += read_crop_folder(simulated(tmp_path / "B", "020a", 5))
    settings = {**QUICK, "repeats": 2}
    one = screen(crops, settings=Settings(**settings))
    two = screen(crops, settings=Settings(**{**settings, "jobs": 2}))
    assert one.positions.tolist() == two.positions.tolist()
    assert one.outlier.tolist() == two.outlier.tolist()
    turns = [Turn()] * 10
    first = screening._repeat(crops, turns, Settings(**settings), 3.0, 0)
    second = screening._repeat(crops, turns, Settings(**settings), 3.0, 1)
    assert not np.allclose(first.pixel_distances, second.pixel_distances)


def test_few_crops_lower_the_perplexity_with_a_notice(tmp_path):
    crops = read_crop_folder(simulated(tmp_path / "A", "003a", 4))
    result = screen(crops, settings=Settings(**QUICK))
    assert result.pairs == []
    assert any("perplexity lowered from 10 to 1" in notice for notice in result.notices)
    with pytest.raises(InputError, match="at least 4"):
        screen(crops[:3])
    with pytest.raises(InputError, match="iterations"):
        screen(crops, settings=Settings(iterations=10))


# --- the script -----------------------------------------------------------------------------


def test_crops_door_writes_tables_and_figures(tmp_path, capsys):
    a = simulated(tmp_path / "A", "003a", 12, 1, scrambled=1)
    b = simulated(tmp_path / "B", "020a", 12, 2)
    out = tmp_path / "out put[1]"
    tsne_analysis.main(folders=[a, b], out=out, **QUICK)
    for name in ("tsne.png", "tsne_annotated.png", "suspects.png"):
        assert read_image(out / name).std() > 5
    rows = rows_of(out / "tsne.csv")
    scores = [float(row["outlier"]) for row in rows]
    assert len(rows) == 24
    assert scores == sorted(scores, reverse=True)
    assert (rows[0]["label"], rows[0]["class"]) == ("12", "A")
    assert float(rows[0]["separability A | B"]) > 0.8
    pair = rows_of(out / "tsne_pairs.csv")[0]
    assert (pair["first"], pair["second"], pair["conclusion"]) == ("A", "B", "separable")
    text = (out / "conclusion.txt").read_text(encoding="utf-8")
    assert "A and B: separable" in text
    assert text in capsys.readouterr().out


def test_annotation_door_cleans_a_copy_and_leaves_the_user_alone(tmp_path):
    """Pitfall 4: copies that our steps made are not taken for the user's own annotations."""
    folder = tmp_path / "图 片"
    path = molecules_image(folder / "a.json", count=10, swapped=(4,))
    derived = read_annotation(path)
    derived.extra["derived"] = {"source": "a"}
    write_annotation(folder / "a(15).json", derived)
    before = path.read_bytes()
    result = tsne_analysis.main(folders=[folder], out=tmp_path / "out", exclude=True, **QUICK)
    assert len(result.crops) == 20
    assert result.crops[result.ranking[0]].name == "020a4"
    assert path.read_bytes() == before
    cleaned = read_annotation(tmp_path / "out" / "cleaned" / "a.json")
    labels = {shape.label for shape in cleaned.shapes}
    assert "020a4" not in labels
    assert len(labels) == 20 - result.suspected.sum() >= 17
    assert (cleaned.read_image() == read_annotation(path).read_image()).all()


def test_cleaned_copies_never_replace_the_source(tmp_path):
    path = molecules_image(tmp_path / "a.json")
    crops = cut_crops([path])
    with pytest.raises(InputError, match="would replace"):
        write_cleaned(screen(crops, settings=Settings(**QUICK)), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folders": []}, "one folder of crops per class"),
        ({"folders": ["none"]}, "no such folder"),
        ({"folders": ["A", "json"]}, "one kind at a time"),
        ({"folders": ["A"], "exclude": True}, "--exclude"),
        ({"folders": ["A", "A"]}, "same name"),
        ({"folders": ["A"], "classes": ["x", "y"]}, "2 classes for 1 folders"),
        ({"folders": ["A"], "repeats": 0}, "repeats"),
        ({"folders": ["A"], "margin": 0.1}, "margin"),
        ({"folders": ["json"], "margin": 1.0, "classes": ["q"]}, "q"),
    ],
)
def test_wrong_input_is_one_clear_sentence(tmp_path, arguments, message):
    simulated(tmp_path / "A", "003a", 4)
    molecules_image(tmp_path / "json" / "a.json", count=2)
    arguments = {**QUICK, **arguments}
    arguments["folders"] = [tmp_path / name for name in arguments["folders"]]
    with pytest.raises(InputError, match=message):
        tsne_analysis.main(out=tmp_path / "out", **arguments)
    assert not (tmp_path / "out" / "tsne.csv").exists()


def test_template_keeps_no_trace_of_a_wrong_crop():
    """Only the best matching share enters a class's mean."""
    views = molecule_crops("020a", 10, size=PATCH, seed=3, pixels_per_molecule=48, rotation=0)
    patches = [cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float32) for v in views]
    angles = np.arange(-5, 6)

    def mean(patches):
        members = [rotation_match._Search(patch) for patch in patches]
        return rotation_match._learn_mean(members, angles, np.random.default_rng(0))

    wrong = [*patches, np.eye(PATCH, dtype=np.float32) * 255]
    inner = slice(24, -24)
    difference = np.abs(mean(wrong) - mean(patches))[inner, inner]
    assert difference.mean() < 5
