"""Drawing images, instances and boxes, in matterport's API; its plots are in `plots.py`.

A function draws into the axes `ax`, or into a new figure, which becomes pyplot's current one and
stays open: `pyplot.savefig` writes it, a notebook prints it. `display_images`,
`display_instances`, `display_differences` and `display_top_masks` also call `pyplot.show` when
they opened the figure; the others leave that to the caller. With `save_path` the figure goes into
that file instead, whose Path is returned, and no window opens.

Images are (H, W, 3) RGB, (H, W) or (H, W, 1) grey, or have further channels, of which the first
three are drawn; see `paint.as_rgb` for their values. Boxes are pixel boxes (y1, x1, y2, x2) with
y2, x2 exclusive, masks (H, W, N), colours RGB from 0 to 1.
"""

import numpy as np

from mrcnn import evaluation, figures, mask_tools, paint
from mrcnn.paint import apply_mask as apply_mask
from mrcnn.paint import draw_box as draw_box
from mrcnn.paint import random_colors as random_colors
from mrcnn.plots import display_table as display_table
from mrcnn.plots import display_weight_stats as display_weight_stats
from mrcnn.plots import plot_overlaps as plot_overlaps
from mrcnn.plots import plot_precision_recall as plot_precision_recall

_LINE_STYLES = {0: ("dotted", 0.5), 1: ("dotted", 1.0), 2: ("solid", 1.0)}  # by visibility
_GREY = (0.6, 0.6, 0.6)
# A `$` in a class name is a `$`, not the start of a formula.
_TEXT = {"color": "w", "size": 11, "parse_math": False}


def _axes(ax, figsize, save_path, title):
    """Return the axes to draw into, and whether they are ours."""
    own = ax is None
    if own:
        ax = figures.new_figure(figsize, save_path).subplots()
    ax.set_title(title)
    return ax, own


def display_images(
    images, titles=None, cols=4, cmap=None, norm=None, interpolation=None, save_path=None
):
    """Show images side by side.

    Args:
        images: list of images; those of shape (H, W) may have any values, which `cmap` and `norm`
            turn into colours.
        titles: list of their titles.
        cols: images in a row.
        cmap, norm, interpolation: as for matplotlib's imshow.
        save_path: see the top of the module.
    """
    images = [np.asarray(image) for image in images]
    images = [x[..., 0] if x.ndim == 3 and x.shape[2] == 1 else x for x in images]
    titles = [""] * len(images) if titles is None else titles
    rows = max(1, -(-len(images) // cols))
    figure = figures.new_figure((14, 14 * rows / cols), save_path)
    for place, (image, title) in enumerate(zip(images, titles, strict=False), start=1):
        ax = figure.add_subplot(rows, cols, place)
        ax.set_title(title, fontsize=9)
        ax.axis("off")
        shown = image if image.ndim == 2 else paint.as_rgb(image)
        ax.imshow(shown, cmap=cmap, norm=norm, interpolation=interpolation)
    return figures.finish(figure, save_path, show=True)


def display_instances(
    image,
    boxes,
    masks,
    class_ids,
    class_names,
    scores=None,
    title="",
    figsize=(16, 16),
    ax=None,
    show_mask=True,
    show_bbox=True,
    colors=None,
    captions=None,
    save_path=None,
):
    """Draw instances onto their image, a colour each.

    Args:
        image: the image.
        boxes: (N, 4) boxes; rows of zeros are left out.
        masks: (H, W, N).
        class_ids: (N,) int.
        class_names: list of names, the background first.
        scores: list of N, each a number or None; or None.
        title: of the axes.
        figsize: (width, height) in inches.
        ax: axes to draw into.
        show_mask, show_bbox: what to draw besides outlines and captions.
        colors: list of N colours; `random_colors` when None.
        captions: list of N texts; class and score when None.
        save_path: see the top of the module.

    Raises:
        ValueError: the numbers of boxes, masks and class ids differ.
    """
    count = len(boxes)
    if not count:
        print("No instances to display.")
    elif not (count == masks.shape[-1] == len(class_ids)):
        raise ValueError(
            "One box, mask and class id an instance are needed. "
            f"Received: {count}, {masks.shape[-1]} and {len(class_ids)}."
        )
    colors = random_colors(count) if colors is None else colors
    ax, own = _axes(ax, figsize, save_path, title)
    painted = paint.as_rgb(image)
    for i in range(count):
        if not np.any(boxes[i][:4]):
            continue
        if show_mask:
            apply_mask(painted, masks[..., i], colors[i])
        if show_bbox:
            paint.add_box(ax, boxes[i], colors[i])
        paint.add_outline(ax, masks[..., i], colors[i])
        if captions is not None:
            caption = captions[i]
        else:
            caption = str(class_names[class_ids[i]])
            if scores is not None and scores[i] is not None:
                caption += f" {scores[i]:.3f}"
        ax.text(boxes[i][1], boxes[i][0] + 8, caption, **_TEXT, backgroundcolor="none")
    paint.show_image(ax, painted, margin=0.02)
    return figures.finish(ax.get_figure(root=True), save_path, show=own)


def display_differences(
    image,
    gt_box,
    gt_class_id,
    gt_mask,
    pred_box,
    pred_class_id,
    pred_score,
    pred_mask,
    class_names,
    title="",
    ax=None,
    show_mask=True,
    show_box=True,
    iou_threshold=0.5,
    score_threshold=0.5,
    save_path=None,
):
    """Draw the truth in green and detections in red, captioned "score / IoU".

    The IoU is that with the matched instance, or the greatest one where nothing was matched.

    Args:
        image: the image.
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask,
            iou_threshold, score_threshold: as in `evaluation.compute_matches`.
        class_names: list of names, the background first.
        title, ax, show_mask, show_box, save_path: as in `display_instances`.
    """
    # The matches count the detections by falling score: sort them so.
    order = np.argsort(-np.asarray(pred_score), kind="stable")
    pred_box, pred_class_id, pred_score = (
        np.asarray(part)[order] for part in (pred_box, pred_class_id, pred_score)
    )
    pred_mask = pred_mask[..., order]
    _, pred_match, overlaps = evaluation.compute_matches(
        gt_box,
        gt_class_id,
        gt_mask,
        pred_box,
        pred_class_id,
        pred_score,
        pred_mask,
        iou_threshold,
        score_threshold,
    )
    captions = [""] * len(gt_box)
    for i, score in enumerate(pred_score):
        matched = i < len(pred_match) and pred_match[i] >= 0
        row = overlaps[i] if i < len(overlaps) else np.zeros(0)
        iou = row[pred_match[i]] if matched else row.max(initial=0)
        captions.append(f"{score:.2f} / {iou:.2f}")
    return display_instances(
        image,
        np.concatenate([np.reshape(gt_box, (-1, 4)), np.reshape(pred_box, (-1, 4))]),
        np.concatenate([gt_mask, pred_mask], axis=-1),
        np.concatenate([gt_class_id, pred_class_id]),
        class_names,
        title=title or "Truth (green) and detections (red; score / IoU)",
        ax=ax,
        show_mask=show_mask,
        show_bbox=show_box,
        colors=[(0, 1, 0)] * len(gt_box) + [(1, 0, 0)] * len(pred_box),
        captions=captions,
        save_path=save_path,
    )


def draw_rois(
    image, rois, refined_rois, mask, class_ids, class_names, limit=10, ax=None, save_path=None
):
    """Draw regions of interest before and after their refinement.

    Args:
        image: the image.
        rois: (N, 4) boxes.
        refined_rois: (N, 4) boxes.
        mask: (N, h, w) masks within `rois`.
        class_ids: (N,) int; 0 for a negative RoI, which is drawn grey.
        class_names: list of names, the background first.
        limit: how many to draw; a random choice when there are more.
        ax, save_path: see the top of the module.
    """
    class_ids = np.asarray(class_ids)
    chosen = np.arange(len(rois))
    if len(chosen) > limit:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, limit, replace=False))
    ax, _ = _axes(ax, (12, 12), save_path, f"{len(chosen)} of {len(rois)} RoIs")
    painted = paint.as_rgb(image)
    for i, color in zip(chosen, random_colors(len(chosen)), strict=True):
        positive = class_ids[i] > 0
        paint.add_box(ax, rois[i], color if positive else _GREY)
        if not positive:
            continue
        _draw_refinement(ax, rois[i], refined_rois[i], color)
        name = str(class_names[class_ids[i]])
        ax.text(refined_rois[i][1], refined_rois[i][0] + 8, name, **_TEXT)
        full = mask_tools.unmold_mask(mask[i], np.asarray(rois[i])[:4].astype(int), image.shape)
        apply_mask(painted, full, color)
    paint.show_image(ax, painted, margin=0.05)
    positives = int((class_ids > 0).sum())
    print(f"Positive RoIs: {positives}")
    print(f"Negative RoIs: {len(rois) - positives}")
    print(f"Positive share: {positives / max(len(rois), 1):.2f}")
    return figures.finish(ax.get_figure(root=True), save_path)


def _draw_refinement(ax, box, refined, color):
    """Draw a refined box, and a line to it from the box it came from."""
    paint.add_box(ax, refined, color, linestyle="solid", alpha=1)
    ax.plot([box[1], refined[1]], [box[0], refined[0]], color=color)


def draw_boxes(
    image,
    boxes=None,
    refined_boxes=None,
    masks=None,
    captions=None,
    visibilities=None,
    title="",
    ax=None,
    save_path=None,
):
    """Draw boxes onto an image, with what came of them.

    Args:
        image: the image.
        boxes: (N, 4) boxes, dotted lines, rows of zeros left out; or None.
        refined_boxes: (N, 4) boxes, solid lines; or None.
        masks: (H, W, N), or None.
        captions: list of N texts, or None.
        visibilities: list of N: 0 grey and faint, 1 dotted, 2 solid; 1 for all when None.
        title, ax, save_path: see the top of the module.

    Raises:
        ValueError: neither boxes nor refined boxes are given.
    """
    if boxes is None and refined_boxes is None:
        raise ValueError("boxes or refined_boxes are needed. Received: neither.")
    count = len(refined_boxes if boxes is None else boxes)
    visibilities = [1] * count if visibilities is None else visibilities
    ax, _ = _axes(ax, (12, 12), save_path, title)
    painted = paint.as_rgb(image)
    for i, color in enumerate(random_colors(count)):
        line, alpha = _LINE_STYLES[visibilities[i]]
        color = color if visibilities[i] else _GREY
        if boxes is not None:
            if not np.any(boxes[i]):  # padding, or lost when its image was cropped
                continue
            paint.add_box(ax, boxes[i], color, linestyle=line, alpha=alpha)
        if refined_boxes is not None and visibilities[i] > 0:
            start = refined_boxes[i] if boxes is None else boxes[i]
            _draw_refinement(ax, start, refined_boxes[i], color)
        if captions is not None:
            y, x = (boxes if refined_boxes is None else refined_boxes)[i][:2]
            patch = {"facecolor": color, "alpha": 0.5, "pad": 2, "edgecolor": "none"}
            ax.text(x, y, captions[i], **_TEXT, verticalalignment="top", bbox=patch)
        if masks is not None:
            apply_mask(painted, masks[..., i], color)
            paint.add_outline(ax, masks[..., i], color)
    paint.show_image(ax, painted, margin=0.1)
    return figures.finish(ax.get_figure(root=True), save_path)


def display_top_masks(image, mask, class_ids, class_names, limit=4, save_path=None):
    """Show an image and, beside it, the masks of the classes that cover most of it.

    Args:
        image: the image.
        mask: (H, W, N).
        class_ids: (N,) int.
        class_names: list of names, the background first.
        limit: number of classes.
        save_path: see the top of the module.
    """
    class_ids = np.asarray(class_ids)
    areas = np.asarray(mask, bool).sum(axis=(0, 1))
    classes = [c for c in np.unique(class_ids) if areas[class_ids == c].sum()]
    classes.sort(key=lambda c: -areas[class_ids == c].sum())
    shown, titles = [paint.as_rgb(image)], [f"H x W = {image.shape[0]} x {image.shape[1]}"]
    for place in range(limit):
        if place < len(classes):
            own = np.asarray(mask[..., class_ids == classes[place]], bool)
            # Number the instances, so that neighbours differ in shade.
            shown.append((own * np.arange(1, own.shape[2] + 1)).sum(axis=2))
            titles.append(str(class_names[classes[place]]).replace("$", r"\$"))
        else:
            shown.append(np.zeros(image.shape[:2]))
            titles.append("-")
    return display_images(shown, titles, cols=limit + 1, cmap="Blues_r", save_path=save_path)
