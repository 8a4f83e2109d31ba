"""Drawing: what lands in the picture, in the axes, and in which file."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mrcnn import figures, visualize

NAMES = ["BG", "003a", "020a", "rod"]


@pytest.fixture(autouse=True)
def no_display(monkeypatch, tmp_path):
    """No display, and an empty current folder."""
    monkeypatch.setattr(figures, "has_display", lambda: False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def scene():
    """A grey picture with three instances of three classes."""
    image = np.full((40, 60, 3), 90, np.uint8)
    boxes = np.array([[2, 3, 12, 15], [20, 20, 38, 44], [5, 50, 9, 58]], np.int32)
    masks = np.zeros((40, 60, 3), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return image, boxes, masks, np.array([1, 2, 3])


def axes():
    return Figure(figsize=(3, 2)).subplots()


def picture_in(ax):
    return np.asarray(ax.images[0].get_array())


@pytest.mark.parametrize("count", [0, 1, 2, 7, 150])
def test_every_instance_has_a_colour_of_its_own_pitfall_17(count):
    """Pitfall 17: drawing knew colours for two classes only."""
    colors = visualize.random_colors(count)
    assert len(set(colors)) == count
    assert all(0 <= part <= 1 for color in colors for part in color)
    assert colors == visualize.random_colors(count)


def test_random_colors_can_be_darker():
    assert max(map(max, visualize.random_colors(5, bright=False))) == pytest.approx(0.7)


def test_apply_mask_tints_in_place():
    image = np.full((3, 4, 3), 100, np.uint8)
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    assert visualize.apply_mask(image, mask, (1, 0, 0.2, 0.9), alpha=0.5) is image
    assert image[1, 2].tolist() == [177, 50, 75]
    assert (image[~mask] == 100).all()


def test_draw_box_stays_within_the_box():
    image = np.zeros((10, 12, 3), np.uint8)
    assert visualize.draw_box(image, np.array([1, 2, 8, 11]), (255, 0, 0)) is image
    expected = np.zeros((10, 12), bool)
    expected[1:8, 2:11] = True
    expected[3:6, 4:9] = False
    np.testing.assert_array_equal(image[..., 0] == 255, expected)
    assert not image[..., 1:].any()
    visualize.draw_box(image, [-5, -5, 50, 50], (0, 255, 0))  # clipped to the picture
    assert (image[-2:, :, 1] == 255).all()


def test_display_instances_draws_every_instance(scene):
    image, boxes, masks, class_ids = scene
    ax = axes()
    colors = [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)]
    path = visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores=[0.5, 0.75, 1.0], ax=ax, colors=colors
    )
    assert path is None
    assert list(Path.cwd().iterdir()) == []  # what has an `ax` writes nothing
    shown = picture_in(ax)
    for i, color in enumerate(colors):
        expected = (45 + 127.5 * np.array(color)).astype(np.uint8)
        assert (shown[masks[..., i]] == expected).all()
    assert (shown[~masks.any(axis=2)] == 90).all()
    assert (image == 90).all()  # the caller's picture is left as it was
    assert [text.get_text() for text in ax.texts] == ["003a 0.500", "020a 0.750", "rod 1.000"]
    boxes_drawn = [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    assert [patch.get_bbox().bounds for patch in boxes_drawn] == [
        (2.5, 1.5, 12, 10), (19.5, 19.5, 24, 18), (49.5, 4.5, 8, 4)
    ]  # fmt: skip
    outlines = [patch for patch in ax.patches if type(patch).__name__ == "Polygon"]
    assert outlines[0].get_xy().min(axis=0).tolist() == [3, 2]
    assert outlines[0].get_xy().max(axis=0).tolist() == [14, 11]


def test_display_instances_without_masks_and_boxes(scene):
    image, boxes, masks, class_ids = scene
    ax = axes()
    boxes[1] = 0  # padding
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, ax=ax, show_mask=False, show_bbox=False,
        captions=["a", "b", "c"],
    )  # fmt: skip
    assert (picture_in(ax) == 90).all()
    assert [text.get_text() for text in ax.texts] == ["a", "c"]
    assert not [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]


def test_display_instances_of_none(scene, capsys):
    image, boxes, masks, class_ids = scene
    ax = axes()
    visualize.display_instances(image, boxes[:0], masks[..., :0], class_ids[:0], NAMES, ax=ax)
    assert "No instances" in capsys.readouterr().out
    assert (picture_in(ax) == 90).all()


def test_display_instances_counts_its_arguments(scene):
    image, boxes, masks, class_ids = scene
    with pytest.raises(ValueError, match="3, 2 and 3"):
        visualize.display_instances(image, boxes, masks[..., :2], class_ids, NAMES)


def test_without_a_display_figures_are_numbered_files(scene, capsys):
    paths = [visualize.display_instances(*scene, NAMES, figsize=(2, 2)) for _ in range(2)]
    assert [path.name for path in paths] == ["mrcnn_figure_001.png", "mrcnn_figure_002.png"]
    assert "mrcnn_figure_002.png" in capsys.readouterr().out
    with Image.open(paths[1]) as picture:
        assert picture.format == "PNG" and picture.width > 50


def test_save_path_wins(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "has_display", lambda: True)  # asked for a file: no window
    goal = tmp_path / "图 [1].png"
    assert visualize.display_instances(*scene, NAMES, figsize=(2, 2), save_path=goal) == goal
    assert [entry.name for entry in tmp_path.iterdir()] == [goal.name]


@pytest.mark.parametrize(
    "backend, platform, display, expected",
    [
        ("agg", "win32", ":0", False),
        ("TkAgg", "linux", "", True),
        ("module://matplotlib_inline.backend_inline", "linux", "", True),
        (None, "linux", "", False),
        (None, "linux", ":0", True),
        (None, "win32", "", True),
    ],
)
def test_has_display(monkeypatch, backend, platform, display, expected):
    import matplotlib

    monkeypatch.undo()  # the real function
    monkeypatch.setattr(matplotlib, "get_backend", lambda auto_select: backend)
    monkeypatch.setattr(figures.sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert figures.has_display() is expected


def test_display_differences_captions_pair_score_and_iou(scene):
    """The captions go with their own detection, in whatever order these come."""
    image, boxes, masks, class_ids = scene
    found_boxes = boxes[[1, 0]]
    found_masks = masks[..., [1, 0]].copy()
    found_masks[5:, :, 1] = False  # the first instance, 3 of 10 rows
    ax = axes()
    visualize.display_differences(
        image, boxes, class_ids, masks, found_boxes, np.array([2, 1]), np.array([0.6, 0.9]),
        found_masks, NAMES, ax=ax,
    )  # fmt: skip
    texts = [(text.get_text(), text.get_position()) for text in ax.texts]
    assert texts[3:] == [("0.90 / 0.30", (3, 10)), ("0.60 / 1.00", (20, 28))]
    assert [text for text, _ in texts[:3]] == ["", "", ""]


@pytest.mark.parametrize("truth, found", [(0, 3), (3, 0), (0, 0)])
def test_display_differences_with_nothing_to_compare(scene, truth, found):
    image, boxes, masks, class_ids = scene
    ax = axes()
    visualize.display_differences(
        image, boxes[:truth], class_ids[:truth], masks[..., :truth],
        boxes[:found], class_ids[:found], np.linspace(0.9, 0.5, found), masks[..., :found],
        NAMES, ax=ax,
    )  # fmt: skip
    assert len(ax.texts) == truth + found


def test_display_images_fills_a_grid(scene, tmp_path):
    image = scene[0]
    path = visualize.display_images([image] * 5, cols=2, save_path=tmp_path / "a.png")
    with Image.open(path) as picture:
        assert picture.height > picture.width
    assert visualize.display_images([], save_path=tmp_path / "none.png").is_file()


def test_display_top_masks_sorts_by_area(scene, monkeypatch):
    image, _, masks, class_ids = scene
    calls = {}

    def catch(images, titles, **_):
        calls.update(images=images, titles=titles)

    monkeypatch.setattr(visualize, "display_images", catch)
    visualize.display_top_masks(image, masks, class_ids, NAMES, limit=4)
    assert calls["titles"] == ["H x W = 40 x 60", "020a", "003a", "rod", "-"]
    np.testing.assert_array_equal(calls["images"][1], masks[..., 1])
    assert not calls["images"][4].any()
    visualize.display_top_masks(image, masks[..., [0, 2]], np.array([1, 1]), NAMES, limit=1)
    assert np.unique(calls["images"][1]).tolist() == [0, 1, 2]


def test_draw_boxes_by_visibility(scene):
    image, boxes, masks, _ = scene
    ax = axes()
    visualize.draw_boxes(
        image, boxes, boxes + 1, masks, ["a", "b", "c"], visibilities=[0, 1, 2], ax=ax
    )
    rectangles = [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    # The first is faint and has no refined box; the others have two boxes each.
    assert [patch.get_linestyle() for patch in rectangles] == [
        "dotted", "dotted", "solid", "solid", "solid"
    ]  # fmt: skip
    assert len(ax.lines) == 2
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]


def test_draw_boxes_of_one_kind_or_none(scene):
    image, boxes, _, _ = scene
    for arguments in ({"boxes": boxes}, {"refined_boxes": boxes}):
        ax = axes()
        visualize.draw_boxes(image, **arguments, ax=ax)
        assert len(ax.patches) == 3
    ax = axes()
    visualize.draw_boxes(image, boxes[:0], ax=ax)
    assert len(ax.patches) == 0
    with pytest.raises(ValueError, match="neither"):
        visualize.draw_boxes(image)


def test_draw_rois(scene, capsys):
    image, boxes, _, _ = scene
    ax = axes()
    visualize.draw_rois(
        image, boxes, boxes + 1, np.ones((3, 28, 28)), np.array([1, 0, 2]), NAMES, ax=ax
    )
    assert capsys.readouterr().out.splitlines() == [
        "Positive RoIs: 2", "Negative RoIs: 1", "Positive share: 0.67"
    ]  # fmt: skip
    assert [text.get_text() for text in ax.texts] == ["003a", "020a"]
    assert (picture_in(ax)[2:12, 3:15] != 90).any(axis=2).all()
    assert (picture_in(ax)[20:38, 20:44] == 90).all()
    ax = axes()
    many = np.repeat(boxes, 20, axis=0)
    visualize.draw_rois(image, many, many, np.ones((60, 4, 4)), np.zeros(60, int), NAMES, ax=ax)
    assert len(ax.patches) == 10


def test_plots_write_files(tmp_path):
    curve = visualize.plot_precision_recall(0.7, [1, 0.5, 0], [0, 0.5, 1], tmp_path / "curve.png")
    overlaps = np.array([[0.9, 0.0, 0], [0.1, 0.8, 0]])
    matrix = visualize.plot_overlaps(
        np.array([1, 2, 0]), np.array([1, 1]), np.array([0.9, 0.8]), overlaps, NAMES
    )
    nothing = visualize.plot_overlaps([], [], [], np.zeros((0, 0)), NAMES)
    for path in (curve, matrix, nothing):
        with Image.open(path) as picture:
            assert picture.format == "PNG"


def test_display_table_lines_up(capsys):
    visualize.display_table([["NAME", "N"], ["a", 12], ["long name", 3]])
    assert capsys.readouterr().out.splitlines() == ["NAME       N", "a          12", "long name  3"]
    visualize.display_table([])
    assert capsys.readouterr().out == ""


class Weight:
    def __init__(self, name, values):
        self.name, self.values = name, np.asarray(values, np.float32)


class Layer:
    def __init__(self, name, weights):
        self.name, self.weights = name, weights

    def get_weights(self):
        return [weight.values for weight in self.weights]


def test_display_weight_stats_marks_what_is_odd(capsys):
    class Model:
        def get_trainable_layers(self):
            kernel, bias = Weight("kernel", [[1, -3]]), Weight("bias", [0, 0])
            return [
                Layer("conv1", [kernel, bias]),
                Layer("dead", [Weight("kernel", [2, 2])]),
                Layer("big", [Weight("kernel", [0, -5000])]),
            ]

    visualize.display_weight_stats(Model())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["conv1/kernel", "(1,", "2)", "-3.0000", "+1.0000", "+2.0000"]
    assert "dead?" not in lines[2]
    assert "dead?" in lines[3] and "overflow?" in lines[4]
