"""Drawing: what lands in the image, in the axes, in pyplot's state, and in which file."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from mrcnn import evaluation, paint, visualize

NAMES = ["BG", "003a", "020a", "rod"]


@pytest.fixture(autouse=True)
def no_display(monkeypatch, tmp_path):
    """matplotlib without a display, no figure open, and an empty current folder."""
    monkeypatch.chdir(tmp_path)
    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    pyplot.close("all")
    yield
    pyplot.close("all")
    pyplot.switch_backend(before)


@pytest.fixture
def scene():
    """A grey image with three instances of three classes."""
    image = np.full((40, 60, 3), 90, np.uint8)
    boxes = np.array([[2, 3, 12, 15], [20, 20, 38, 44], [5, 50, 9, 58]], np.int32)
    masks = np.zeros((40, 60, 3), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return image, boxes, masks, np.array([1, 2, 3])


def axes():
    return Figure(figsize=(3, 2)).subplots()


def image_in(ax):
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
    visualize.draw_box(image, [-5, -5, 50, 50], (0, 255, 0))  # clipped to the image
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
    shown = image_in(ax)
    for i, color in enumerate(colors):
        expected = (45 + 127.5 * np.array(color)).astype(np.uint8)
        assert (shown[masks[..., i]] == expected).all()
    assert (shown[~masks.any(axis=2)] == 90).all()
    assert (image == 90).all()  # the caller's image is left as it was
    assert [text.get_text() for text in ax.texts] == ["003a 0.500", "020a 0.750", "rod 1.000"]
    boxes_drawn = [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    assert [patch.get_bbox().bounds for patch in boxes_drawn] == [
        (2.5, 1.5, 12, 10), (19.5, 19.5, 24, 18), (49.5, 4.5, 8, 4)
    ]  # fmt: skip
    outlines = [patch for patch in ax.patches if type(patch).__name__ == "Polygon"]
    assert outlines[0].get_xy().min(axis=0).tolist() == [2.5, 1.5]
    assert outlines[0].get_xy().max(axis=0).tolist() == [14.5, 11.5]


def test_display_instances_without_masks_and_boxes(scene):
    image, boxes, masks, class_ids = scene
    ax = axes()
    boxes[1] = 0  # padding
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, ax=ax, show_mask=False, show_bbox=False,
        captions=["a", "b", "c"],
    )  # fmt: skip
    assert (image_in(ax) == 90).all()
    assert [text.get_text() for text in ax.texts] == ["a", "c"]
    assert not [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]


def test_display_instances_of_none(scene, capsys):
    image, boxes, masks, class_ids = scene
    ax = axes()
    visualize.display_instances(image, boxes[:0], masks[..., :0], class_ids[:0], NAMES, ax=ax)
    assert "No instances" in capsys.readouterr().out
    assert (image_in(ax) == 90).all()


def test_display_instances_counts_its_arguments(scene):
    image, boxes, masks, class_ids = scene
    with pytest.raises(ValueError, match="3, 2 and 3"):
        visualize.display_instances(image, boxes, masks[..., :2], class_ids, NAMES)
    visualize.display_instances(image, boxes[:0], np.zeros((0, 0, 0)), class_ids, NAMES, ax=axes())


EVERY_WAY = {
    "display_instances": lambda scene, **more: visualize.display_instances(*scene, NAMES, **more),
    "display_differences": lambda scene, **more: visualize.display_differences(
        scene[0], scene[1], scene[3], scene[2], scene[1], scene[3], np.array([0.9, 0.8, 0.7]),
        scene[2], NAMES, **more,
    ),
    "display_images": lambda scene, **more: visualize.display_images([scene[0]], **more),
    "display_top_masks": lambda scene, **more: visualize.display_top_masks(
        scene[0], scene[2], scene[3], NAMES, **more
    ),
    "draw_boxes": lambda scene, **more: visualize.draw_boxes(scene[0], scene[1], **more),
    "draw_rois": lambda scene, **more: visualize.draw_rois(
        scene[0], scene[1], scene[1] + 1, np.ones((3, 28, 28)), scene[3], NAMES, **more
    ),
    "plot_precision_recall": lambda scene, **more: visualize.plot_precision_recall(
        0.7, [1, 0.5, 0], [0, 0.5, 1], **more
    ),
    "plot_overlaps": lambda scene, **more: visualize.plot_overlaps(
        scene[3], scene[3], np.array([0.9, 0.8, 0.7]), np.eye(3), NAMES, **more
    ),
}  # fmt: skip
SHOWN = {"display_instances", "display_differences", "display_images", "display_top_masks"}


def colors_of(path):
    """How many colours an image file has; one where nothing was drawn."""
    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(1 << 24))


@pytest.mark.parametrize("name", EVERY_WAY)
def test_without_a_display_pyplot_saves_what_was_drawn(scene, name, recwarn):
    """What every script for a machine without a display does: draw, then `plt.savefig`."""
    assert EVERY_WAY[name](scene) is None
    assert list(Path.cwd().iterdir()) == []  # nothing is written that nobody asked for
    assert len(pyplot.get_fignums()) == 1
    pyplot.savefig("drawn.png", dpi=40)
    assert colors_of("drawn.png") > 1
    assert not [w for w in recwarn if "non-interactive" in str(w.message)]
    EVERY_WAY[name](scene)
    assert len(pyplot.get_fignums()) == 2  # a figure of its own, the first one stays


@pytest.mark.parametrize("name", EVERY_WAY)
def test_who_shows_the_figure(scene, name, monkeypatch):
    """As in matterport's functions; a script may put something else in `pyplot.show`'s place."""
    shown = []
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    EVERY_WAY[name](scene)
    assert shown == ([pyplot.gcf()] if name in SHOWN else [])


@pytest.mark.parametrize("name", EVERY_WAY)
def test_save_path_writes_a_file_and_opens_nothing(scene, name, monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("asked for a file, not a window"))
    goal = Path.cwd() / "图 [1].png"
    assert EVERY_WAY[name](scene, save_path=goal) == goal
    assert [entry.name for entry in Path.cwd().iterdir()] == [goal.name]
    assert colors_of(goal) > 1 and not pyplot.get_fignums()


def test_the_axes_of_somebody_else(scene, monkeypatch):
    """Drawn into, never shown; written when asked."""
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("these axes are not ours"))
    _, (left, right) = pyplot.subplots(1, 2, figsize=(4, 2))
    visualize.display_instances(*scene, NAMES, ax=left)
    visualize.draw_boxes(scene[0], scene[1], ax=right, save_path="both.png")
    assert len(pyplot.get_fignums()) == 1 and len(left.images) == len(right.images) == 1
    assert colors_of("both.png") > 1


# The scene of grey 90 as other kinds of image.
KINDS = {
    "grey": lambda image: image[..., 0],
    "one channel": lambda image: image[..., :1],
    "grey and transparency": lambda image: np.dstack([image[..., 0], 0 * image[..., 0]]),
    "transparency": lambda image: np.dstack([image, 0 * image[..., 0]]),
    "depth": lambda image: np.dstack([image, image]).astype(np.int64),
    "float": lambda image: image.astype(np.float32) + 0.4,
    "float up to one": lambda image: image / 255 + 1e-3,
    "16 bits": lambda image: image.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_image(scene, kind):
    image = KINDS[kind](scene[0])
    before = image.copy()
    ax, plain, boxed = axes(), axes(), axes()
    visualize.display_instances(*scene, NAMES, ax=plain)
    visualize.display_instances(image, *scene[1:], NAMES, ax=ax)
    visualize.draw_boxes(image, scene[1], masks=scene[2], ax=boxed)
    np.testing.assert_array_equal(image_in(ax), image_in(plain))
    np.testing.assert_array_equal(image_in(boxed), image_in(plain))
    np.testing.assert_array_equal(image, before)
    visualize.display_images([image, image])
    visualize.display_top_masks(image, scene[2], scene[3], NAMES)
    rgb = image_in(pyplot.gcf().axes[0])
    assert (rgb == 90).all() and rgb.shape == (40, 60, 3)


def test_values_beyond_the_range_are_cut_off():
    values = np.array([[-20.0, 300.0, np.nan, 7.9]])
    assert paint.as_rgb(values)[0, :, 0].tolist() == [0, 255, 0, 7]
    assert paint.as_rgb(np.array([[True, False]]))[0, :, 1].tolist() == [255, 0]
    assert paint.as_rgb(np.zeros((2, 3))).shape == (2, 3, 3)
    for shape in ((4,), (2, 2, 0), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match="Received: shape"):
            paint.as_rgb(np.zeros(shape))


def test_tint_and_frame_of_other_channels():
    """A fourth channel is left alone by a tint and made opaque by a frame; grey takes the grey."""
    mask = np.zeros((6, 8), bool)
    mask[2, 3] = True
    four = np.full((6, 8, 4), 100, np.uint8)
    visualize.apply_mask(four, mask, (1, 0, 0))
    assert four[2, 3].tolist() == [177, 50, 50, 100]
    visualize.draw_box(four, [0, 0, 6, 8], (255, 0, 0))
    assert four[0, 0].tolist() == [255, 0, 0, 255]
    for shape in ((6, 8), (6, 8, 1)):
        grey = np.full(shape, 100, np.uint8)
        visualize.apply_mask(grey, mask, (1, 0, 0))
        assert grey.ravel()[2 * 8 + 3] == 88  # 50 + 127.5 * 0.299
        visualize.draw_box(grey, [0, 0, 6, 8], (255, 0, 0))
        assert grey.ravel()[0] == 76
        visualize.draw_box(grey, [0, 0, 6, 8], 5)
        assert grey.ravel()[0] == 5


def test_outlines_of_holes_of_the_edge_and_of_nothing():
    mask = np.ones((5, 6), bool)
    mask[2, 3] = False
    ax = axes()
    paint.add_outline(ax, mask, (1, 0, 0))
    spans = sorted((*p.get_xy().min(axis=0), *p.get_xy().max(axis=0)) for p in ax.patches)
    assert spans == [(-0.5, -0.5, 5.5, 4.5), (2.5, 1.5, 3.5, 2.5)]
    paint.add_outline(ax, np.zeros((5, 6)), (1, 0, 0))
    assert len(ax.patches) == 2


def test_scores_that_are_not_known(scene):
    ax = axes()
    visualize.display_instances(*scene, NAMES, scores=[0.5, None, 0.0], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["003a 0.500", "020a", "rod 0.000"]


def test_overlaps_with_and_without_padding():
    """`compute_matches` leaves the padding out of its overlaps; the class ids may still have it."""
    overlaps = np.array([[0.9, 0.2], [0.1, 0.8]])
    padded = np.zeros((3, 4))
    padded[:2, :2] = overlaps
    for given, rows, columns in ((overlaps, 3, 4), (padded, 3, 4), (overlaps, 2, 2)):
        found, truth = np.zeros(rows, int), np.zeros(columns, int)
        found[:2], truth[:2] = [1, 2], [1, 1]
        visualize.plot_overlaps(truth, found, np.linspace(0.9, 0.5, rows), given, NAMES)
        texts = [text.get_text() for text in pyplot.gca().texts]
        assert texts == ["0.900\nmatch", "0.200", "0.100", "0.800\nwrong"]
    boxes = np.array([[0, 0, 4, 4], [0, 0, 0, 0]])
    masks = np.zeros((8, 8, 2), bool)
    masks[:4, :4, 0] = True
    ids = np.array([1, 0])
    overlaps = evaluation.compute_matches(boxes, ids, masks, boxes, ids, ids * 0.9, masks)[2]
    visualize.plot_overlaps(ids, ids, ids * 0.9, overlaps, NAMES)
    assert [text.get_text() for text in pyplot.gca().texts] == ["1.000\nmatch"]


def test_padding_among_boxes_is_left_out(scene):
    image, boxes, masks, _ = scene
    boxes[1] = 0
    ax = axes()
    visualize.draw_boxes(image, boxes, boxes + 1, masks, ["a", "b", "c"], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["a", "c"]
    assert len(ax.lines) == 2 and (image_in(ax)[masks[..., 1]] == 90).all()


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
    with Image.open(path) as grid:
        assert grid.height > grid.width
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
    assert (image_in(ax)[2:12, 3:15] != 90).any(axis=2).all()
    assert (image_in(ax)[20:38, 20:44] == 90).all()
    ax = axes()
    many = np.repeat(boxes, 20, axis=0)
    visualize.draw_rois(image, many, many, np.ones((60, 4, 4)), np.zeros(60, int), NAMES, ax=ax)
    assert len(ax.patches) == 10


def test_plots_write_files(tmp_path):
    curve = visualize.plot_precision_recall(0.7, [1, 0.5, 0], [0, 0.5, 1], tmp_path / "curve.png")
    overlaps = np.array([[0.9, 0.0, 0], [0.1, 0.8, 0]])
    matrix = visualize.plot_overlaps(
        np.array([1, 2, 0]), np.array([1, 1]), np.array([0.9, 0.8]), overlaps, NAMES,
        save_path=tmp_path / "matrix.png",
    )  # fmt: skip
    nothing = visualize.plot_overlaps(
        [], [], [], np.zeros((0, 0)), NAMES, save_path=tmp_path / "nothing.png"
    )
    for path in (curve, matrix, nothing):
        with Image.open(path) as image:
            assert image.format == "PNG"


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


def test_a_class_name_with_dollars_is_no_formula(scene, tmp_path):
    image, boxes, masks, ids = scene
    names = ["BG", r"a$\b$", "$", r"\$x$"]
    for k, draw in enumerate(
        (
            lambda path: visualize.display_instances(
                image, boxes, masks, ids, names, save_path=path
            ),
            lambda path: visualize.display_top_masks(image, masks, ids, names, save_path=path),
            lambda path: visualize.plot_overlaps(
                ids, ids, np.ones(3), np.eye(3), names, save_path=path
            ),
        )
    ):
        assert draw(tmp_path / f"{k}.png").stat().st_size > 500
