"""Scripts in the way of the public samples for matterport's API, run as users run them: programs
of their own, without a display, with files in other programs' formats, saving by `plt.savefig`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.draw
import skimage.io
from checkout import ROOT
from PIL import Image

SCRIPTS = ROOT / "tests" / "api_scripts"
SIDE = 128


def run(script: str, *arguments, where: Path) -> str:
    """What a script prints; it must end well and leave nothing beside what it was asked for."""
    where.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, *map(str, arguments)],
        cwd=where, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(where.iterdir()) == []
    return done.stdout


def colors_of(path: Path) -> set[tuple[int, ...]]:
    """The colours of an image file."""
    with Image.open(path) as image:
        return {color for _, color in image.convert("RGB").getcolors(1 << 24)}


def droplets(rng: np.random.Generator, count: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """Polygons (ys, xs) of round shapes that do not touch."""
    places = rng.permutation([(y, x) for y in (25, 65, 102) for x in (25, 65, 102)])[:count]
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return [
        (y + r * np.sin(angles), x + r * np.cos(angles))
        for (y, x), r in zip(places, rng.integers(10, 18, count), strict=True)
    ]


def draw(polygons, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """An image of bright shapes on a noisy ground, and their masks."""
    image = rng.normal(60, 8, (SIDE, SIDE, 3))
    masks = [skimage.draw.polygon2mask((SIDE, SIDE), np.stack(p, 1)) for p in polygons]
    colors = ((220, 90, 60), (70, 200, 90), (80, 120, 230), (220, 220, 80), (200, 120, 210))
    for mask, color in zip(masks, colors, strict=False):
        image[mask] += np.array(color) - 60
    return image.clip(0, 255).astype(np.uint8), masks


def via_dataset(folder: Path) -> None:
    """Two subsets in the annotator's format: of version 1 and of version 2, one image unmarked."""
    for subset, seed in (("train", 1), ("val", 2)):
        (folder / subset).mkdir(parents=True)
        entries = {}
        for number in range(4 if subset == "train" else 2):
            rng = np.random.default_rng([seed, number])
            polygons = droplets(rng)
            image, _ = draw(polygons, rng)
            name = f"{subset} {number}.png"
            skimage.io.imsave(folder / subset / name, image, check_contrast=False)
            regions = [
                {"shape_attributes": {"name": "polygon", "all_points_x": [round(x) for x in xs],
                                      "all_points_y": [round(y) for y in ys]},
                 "region_attributes": {}}
                for ys, xs in polygons
            ]  # fmt: skip
            if number == 3:
                regions = []
            if subset == "val":
                regions = {str(i): region for i, region in enumerate(regions)}
            entries[f"{name}1234"] = {"filename": name, "size": 1234, "regions": regions}
        text = json.dumps(entries)
        (folder / subset / "via_region_data.json").write_text(text, encoding="utf-8")


def test_a_dataset_of_polygons_is_trained_and_splashed(tmp_path):
    data, logs, out = (tmp_path / name for name in ("data", "logs", "out"))
    out.mkdir()
    via_dataset(data)
    steps = os.environ.get("DROPLET_STEPS", "1.5")
    options = ["--logs", logs, "--out", out]
    told = run("droplets.py", "train", "--dataset", data, "--steps", steps, *options,
               where=tmp_path / "here")  # fmt: skip
    assert "STEPS_PER_EPOCH" in told
    assert len(list(logs.glob("droplet*/mask_rcnn_droplet_0001.h5"))) == 1
    image = data / "val" / "val 0.png"
    told = run("droplets.py", "splash", "--image", image, *options, where=tmp_path / "here")
    assert "none not in the file" in told
    assert sorted(p.name for p in out.iterdir()) == ["found.png", "splash.png", "truth.png"]
    assert len(colors_of(out / "truth.png")) > 100 and len(colors_of(out / "found.png")) > 100
    assert len(colors_of(out / "splash.png")) > 10


def nuclei_dataset(folder: Path, count: int) -> None:
    """A folder an image, with a file a mask."""
    for number in range(count):
        rng = np.random.default_rng([7, number])
        image, masks = draw(droplets(rng, 5), rng)
        name = f"nucleus_{number}"
        for kind in ("images", "masks"):
            (folder / name / kind).mkdir(parents=True)
        # With transparency, as the images of that data set are.
        image = np.dstack([image, np.full((SIDE, SIDE), 255, np.uint8)])
        skimage.io.imsave(folder / name / "images" / f"{name}.png", image, check_contrast=False)
        for i, mask in enumerate(masks):
            path = folder / name / "masks" / f"{i}.png"
            skimage.io.imsave(path, mask.astype(np.uint8) * 255, check_contrast=False)


NUCLEI_FIGURES = [
    "anchors", "batch", "contours", "differences", "expanded", "instances", "mini_masks",
    "overlaps", "precision_recall", "resized", "rpn_targets", "top_masks",
]  # fmt: skip


@pytest.fixture(scope="module")
def nuclei_figures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nuclei")
    nuclei_dataset(folder / "data", 3)
    (folder / "out").mkdir()
    told = run("nuclei.py", folder / "data", folder / "out", where=folder / "here")
    assert "Images: 3, classes: ['BG', 'nucleus']" in told
    return folder / "out"


def test_a_dataset_of_mask_files_is_inspected(nuclei_figures):
    assert sorted(path.stem for path in nuclei_figures.iterdir()) == NUCLEI_FIGURES


@pytest.mark.parametrize("name", NUCLEI_FIGURES)
def test_each_figure_shows_something(nuclei_figures, name):
    colors = colors_of(nuclei_figures / f"{name}.png")
    assert len(colors) > 20
    if name == "contours":  # thin lines, blended with the ground
        assert any(min(red, green) > 120 and blue < 60 for red, green, blue in colors)
