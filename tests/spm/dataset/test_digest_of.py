"""The hash of what a training learns from changes with everything that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
from annotated import put, textured

import fast_json_to_dataset
import pre_draw_mask
import re_write_mask
from Images_Augmentation import geo_aug_img_json
from spm.dataset.annotated_images import classes_of, digest_of, folder_sources, outlined_sources
from spm.io.images import write_image
from spm.structures.annotation import read_annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.shape import Shape


def edit(folder, change):
    path = folder / "cut.json"
    write_annotation(path, change(read_annotation(path)))


def exchanged(annotation):
    shapes = annotation.shapes
    labels = [shape.label for shape in shapes][::-1]
    return replace(
        annotation,
        shapes=[replace(s, label=label) for s, label in zip(shapes, labels, strict=True)],
    )


def moved(annotation):
    first = annotation.shapes[0]
    return replace(
        annotation, shapes=[replace(first, points=first.points + 1), *annotation.shapes[1:]]
    )


def hole(annotation):
    """The square as a mask of the same outline with a hole."""
    mask = np.ones((16, 16), bool)
    mask[6:9, 6:9] = False
    ring = Shape("B2", np.array([(40.0, 12.0), (55.0, 27.0)]), "mask", mask=mask)
    return replace(annotation, shapes=[annotation.shapes[0], ring])


CHANGES = {
    "labels exchanged": lambda f: edit(f, exchanged),
    "outline moved": lambda f: edit(f, moved),
    "a hole": lambda f: edit(f, hole),
    "partial": lambda f: edit(f, lambda a: replace(a, flags={"partial": True})),
    "pixels": lambda f: write_image(f / "cut.png", textured(40, 64, seed=2)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_outlines_and_images_of_the_user(tmp_path, change):
    put(tmp_path)
    before = digest_of(outlined_sources(tmp_path))
    assert digest_of(outlined_sources(tmp_path)) == before
    change(tmp_path)
    assert digest_of(outlined_sources(tmp_path)) != before


def dataset(folder):
    out, cache = folder.with_name("dataset"), folder.with_name("cache")
    pre_draw_mask.main(in_dir=folder, out_dir=cache, workers=1)
    common = {"cache_dir": cache, "out_dir": out, "workers": 1}
    re_write_mask.main(copies_dir=folder, **common)
    fast_json_to_dataset.main(in_dir=folder, class_names=["A", "B"], **common)
    return digest_of(folder_sources(out))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_dataset(tmp_path, change):
    folder = tmp_path / "in"
    put(folder)
    before = dataset(folder)
    (folder / "cut.json").write_text(  # written again by labelme, nothing changed
        json.dumps(json.loads((folder / "cut.json").read_text("utf-8")), indent=2), "utf-8"
    )
    assert dataset(folder) == before
    change(folder)
    assert dataset(folder) != before


def test_classes_that_an_annotation_states_reach_training_both_ways(tmp_path):
    """A corrected prediction among the training images: C60 is a class, not number 60 of C."""
    folder = tmp_path / "in"
    put(folder)
    names = {"class_names": ["C60", "C70", "C84"]}
    edit(folder, lambda a: replace(a, shapes=[replace(s, label=x) for s, x in zip(
        a.shapes, names["class_names"], strict=False)], extra=names))  # fmt: skip
    geo_aug_img_json.main(in_dir=folder, angles=[90], flips=[], workers=1)
    out = tmp_path / "dataset"
    fast_json_to_dataset.main(in_dir=folder, cache_dir=tmp_path, out_dir=out, workers=1)
    assert len(folder_sources(out)) == 2
    for sources in (folder_sources(out), outlined_sources(folder)):
        assert list(classes_of(sources, ClassChoice())) == ["C60", "C70"]
        assert list(classes_of(sources, ClassChoice(["C"]))) == ["C"]
