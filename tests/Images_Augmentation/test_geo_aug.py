"""L1: one affine map moves pixels and outlines."""

import numpy as np
import pytest
from annotated import contents, put, textured
from hypothesis import given, settings
from hypothesis import strategies as st

from Images_Augmentation.geo_aug_img_json import Copy, main, map_of, plan_copies
from spm.errors import InputError
from spm.geometry import affine
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_area
from spm.io.images import read_image, write_image
from spm.structures.annotation import read_annotation, write_annotation
from spm.structures.shape import Shape

ANGLES = range(15, 360, 15)
BLOB = np.array([(50.0, 30), (180, 40), (200, 120), (120, 150), (60, 110)])


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_plan_has_72_distinct_images():
    """Pitfall 3: no two of the 72 images are the same map of the source."""
    plan = plan_copies(ANGLES, ("tb", "lr"))
    assert len(plan) == 71 and len({copy.suffix for copy in plan}) == 71
    maps = [map_of(copy, 320, 200)[0][:, :2] for copy in [Copy(), *plan]]
    assert len({tuple(np.round(linear, 9).ravel() + 0.0) for linear in maps}) == 72
    names = [copy.suffix for copy in plan]
    assert names[:2] == ["(15)", "(30)"] and {"(tb)", "(lr)", "(15)(lr)", "(165)(tb)"} <= set(names)
    assert "(180)(tb)" not in names and "(187.5)(tb)" in names  # (180)(tb) would be (lr) again


def test_72_copies_are_72_different_images(tmp_path):
    """Pitfall 3, in the files."""
    put(tmp_path, height=48, width=64)
    assert main(in_dir=tmp_path) == 0
    images = contents(tmp_path, "*.png")
    assert len(images) == 72
    assert len({read_image(tmp_path / name).tobytes() for name in images}) == 72


@pytest.mark.parametrize("size", [(200, 320), (320, 200), (256, 256), (201, 315)])
@pytest.mark.parametrize("angle", [0, *ANGLES, 187.5, 1.3])
def test_pitfall_1_pixels_and_outline_go_together(size, angle):
    """Pitfall 1: IoU of transformed mask and mask of transformed polygon, not square too."""
    height, width = size
    for flip in ("", "tb", "lr"):
        matrix, new_height, new_width = map_of(Copy(angle, flip), height, width)
        mask = polygon_mask(BLOB, height, width)
        image = affine.warp(mask.astype(np.uint8) * 255, matrix, new_height, new_width) > 127
        outline = affine.apply_to_points(matrix, BLOB)
        assert iou(image, polygon_mask(outline, new_height, new_width)) >= 0.98
        # The canvas holds all of the image and is no larger than needed.
        corners = affine.apply_to_points(
            matrix, np.array([(0, 0), (width, 0), (width, height), (0, height)])
        )
        extent = np.ptp(corners, axis=0)
        assert (corners > -1e-6).all() and (corners < (new_width + 1e-6, new_height + 1e-6)).all()
        assert (np.array([new_width, new_height]) - extent < 1 + 1e-6).all()


def test_quarter_turns_and_flips_copy_pixels_exactly():
    image = textured(4, 6)
    expected = {
        (0, "tb"): image[::-1],
        (0, "lr"): image[:, ::-1],
        (90, ""): np.rot90(image),
        (180, ""): np.rot90(image, 2),
        (270, ""): np.rot90(image, 3),
        (90, "lr"): np.rot90(image)[:, ::-1],
    }
    for (angle, flip), right in expected.items():
        matrix, height, width = map_of(Copy(angle, flip), 4, 6)
        assert np.array_equal(affine.warp(image, matrix, height, width), right)


def test_turning_is_counter_clockwise_on_the_screen():
    matrix, *_ = affine.rotation(90, 4, 6)
    # The top right corner goes to the top left.
    assert affine.apply_to_points(matrix, np.array([(6.0, 0.0)])).tolist() == [[0, 0]]


def test_interpolation_is_smooth():
    """Pitfall 3: nearest-neighbour turning leaves errors of whole grey steps; cubic does not."""
    rows, columns = np.mgrid[:120, :160]
    wave = 127 + 100 * np.sin(columns / 4) * np.cos(rows / 5)
    image = np.rint(wave).astype(np.uint8)
    matrix, height, width = affine.rotation(15, 120, 160)
    turned = affine.warp(image, matrix, height, width)
    inverse = np.linalg.inv(matrix[:, :2])
    y, x = np.mgrid[:height, :width] + 0.5
    xy = np.stack([x.ravel(), y.ravel()], 1) - matrix[:, 2]
    x0, y0 = (xy @ inverse.T - 0.5).T
    exact = (127 + 100 * np.sin(x0 / 4) * np.cos(y0 / 5)).reshape(height, width)
    inside = ((x0 > 3) & (x0 < 156) & (y0 > 3) & (y0 < 116)).reshape(height, width)
    assert np.abs(turned - exact)[inside].max() < 3


def test_shrinking_keeps_the_size_and_does_not_alias(tmp_path):
    put(tmp_path, height=60, width=80)
    stripes = np.zeros((60, 80, 3), np.uint8)
    stripes[:, ::2] = 200
    write_image(tmp_path / "cut.png", stripes)
    main(in_dir=tmp_path, angles=[], flips=[], shrink_list=[0.5])
    small = read_image(tmp_path / "cut(x0.5).png")
    assert small.shape == (60, 80, 3) and not small[:14].any() and not small[:, :19].any()
    assert np.abs(small[18:42, 25:55].astype(int) - 100).max() < 25  # grey, no stripes
    read = read_annotation(tmp_path / "cut(x0.5).json")
    source = read_annotation(tmp_path / "cut.json")
    assert np.allclose(read.shapes[0].points, source.shapes[0].points * 0.5 + (20, 15))


def test_pitfall_2_json_and_png_have_the_same_size(tmp_path):
    """Pitfall 2: the size in the JSON is the image's, odd and not square sizes too."""
    put(tmp_path, "a", 41, 65)
    put(tmp_path, "b", 40, 64)
    main(in_dir=tmp_path, shrink_list=[0.7])
    paths = sorted(tmp_path.glob("*.json"))
    assert len(paths) == 2 * 72 * 2
    for path in paths:
        read = read_annotation(path)
        assert read.read_image().shape == (read.height, read.width, 3)


def test_copies_say_what_they_are(tmp_path):
    put(tmp_path, flags={"partial": True})
    main(in_dir=tmp_path, angles=[30], flips=["lr"])
    read = read_annotation(tmp_path / "cut(30)(lr).json")
    assert read.flags["derived"] is True and read.flags["source: cut"] is True and read.partial
    assert all(isinstance(flag, bool) for flag in read.flags.values())
    made = read.derived
    assert (made["step"], made["source"], made["origin"]) == ("geo", "cut", "cut")
    assert (made["angle"], made["flip"], made["shrink"]) == (30, "lr", 1)
    valid = np.array(made["valid"])
    assert polygon_area(valid) == pytest.approx(40 * 64)
    # Outside of `valid` there is nothing, inside there is the image.
    inside = polygon_mask(valid, read.height, read.width)
    grey = read.read_image().max(axis=2)
    assert grey[~inside].mean() < 3 and (grey[inside] > 0).mean() > 0.99


def test_pitfall_4_a_second_run_copies_no_copies(tmp_path, capsys):
    """Pitfall 4: the second run finds all up to date; a changed source replaces its copies."""
    put(tmp_path)
    main(in_dir=tmp_path)
    first = contents(tmp_path)
    main(in_dir=tmp_path)
    assert contents(tmp_path) == first and "71 up to date" in capsys.readouterr().out
    main(in_dir=tmp_path, force=True)
    assert contents(tmp_path) == first and "71 copies made" in capsys.readouterr().out
    put(tmp_path, seed=9)
    main(in_dir=tmp_path)
    second = contents(tmp_path)
    assert set(second) == set(first)
    changed = [name for name in first if name.endswith(".png") and first[name] != second[name]]
    assert len(changed) == 72


def test_other_settings_and_lost_sources_remove_only_our_copies(tmp_path):
    put(tmp_path, "a")
    put(tmp_path, "b")
    (tmp_path / "notes.txt").write_text("mine")
    write_image(tmp_path / "a(99).png", textured(4, 4))  # the user's, looks like a copy
    main(in_dir=tmp_path)
    main(in_dir=tmp_path, angles=[90], flips=[])
    (tmp_path / "b.json").unlink()
    main(in_dir=tmp_path, angles=[90], flips=[])
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert left == {
        "a.png", "a.json", "a(90).png", "a(90).json", "b.png", "notes.txt", "a(99).png",
    }  # fmt: skip


def test_a_lost_manifest_and_damaged_copies_are_repaired(tmp_path):
    put(tmp_path)
    main(in_dir=tmp_path, angles=[90, 180], flips=[])
    whole = contents(tmp_path)
    (tmp_path / "cut(90).png").write_bytes(b"half")
    (tmp_path / "cut(180).json").unlink()
    main(in_dir=tmp_path, angles=[90, 180], flips=[])
    assert contents(tmp_path) == whole
    (tmp_path / ".manifest_geo.jsonl").unlink()
    main(in_dir=tmp_path, angles=[90], flips=[])
    assert set(contents(tmp_path)) == {"cut.png", "cut.json", "cut(90).png", "cut(90).json"}


def test_files_of_the_user_are_never_overwritten(tmp_path):
    put(tmp_path)
    put(tmp_path, "cut(90)", seed=5)
    write_image(tmp_path / "cut(180).png", textured(4, 4))
    before = contents(tmp_path)
    with pytest.raises(InputError, match="is not ours") as error:
        main(in_dir=tmp_path, angles=[90, 180, 270], flips=[])
    assert len(str(error.value).splitlines()) == 2
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert "cut(270).png" in after and "cut(90)(270).png" in after  # the others are done


def test_bad_images_are_reported_together_and_the_rest_is_done(tmp_path):
    put(tmp_path, "good")
    annotation = put(tmp_path, "crossed")
    annotation.shapes.append(Shape("A3", np.array([(5.0, 5), (25, 25), (25, 5), (5, 25)])))
    write_annotation(tmp_path / "crossed.json", annotation)
    put(tmp_path, "size", height=41)
    write_image(tmp_path / "size.png", textured(30, 30))
    put(tmp_path, "cut off")
    data = (tmp_path / "cut off.png").read_bytes()
    (tmp_path / "cut off.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "坏.json").write_text("{")
    put(tmp_path, "alone")
    (tmp_path / "alone.png").unlink()
    with pytest.raises(InputError) as error:
        main(in_dir=tmp_path, angles=[90], flips=[])
    lines = str(error.value).splitlines()
    assert len(lines) == 5
    for name in ("crossed.json", "size.json", "cut off.png", "坏.json", "alone.json"):
        assert sum(name in line for line in lines) == 1
    assert [path.name for path in tmp_path.glob("*(90).png")] == ["good(90).png"]


def test_a_source_that_breaks_keeps_its_copies(tmp_path):
    put(tmp_path)
    main(in_dir=tmp_path, angles=[90], flips=[])
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(InputError, match="cut.json"):
        main(in_dir=tmp_path, angles=[90], flips=[])
    assert (tmp_path / "cut(90).json").exists()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"flips": ["up"]}, "flips"),
        ({"angles": [float("nan")]}, "angles"),
        ({"shrink_list": [1.5]}, "shrink_list"),
    ],
)
def test_wrong_settings(tmp_path, settings, match):
    put(tmp_path)
    with pytest.raises(InputError, match=match):
        main(in_dir=tmp_path, **settings)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no annotated image"):
        main(in_dir=tmp_path)


steps = st.lists(
    st.one_of(
        st.floats(-360, 360).map(lambda angle: Copy(angle=angle % 360)),
        st.sampled_from(["lr", "tb"]).map(lambda flip: Copy(flip=flip)),
        st.floats(0.2, 0.99).map(lambda ratio: Copy(ratio=ratio)),
    ),
    max_size=5,
)


@settings(max_examples=80)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    corners=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=9),
    chain=steps,
)
def test_any_polygon_stays_inside_and_keeps_its_area(height, width, corners, chain):
    points = np.array(corners) * (width, height)
    area = polygon_area(points)
    for copy in chain:
        matrix, height, width = map_of(copy, height, width)
        points = affine.apply_to_points(matrix, points)
        area *= copy.ratio**2
        assert (points > -1e-6).all() and (points < (width + 1e-6, height + 1e-6)).all()
    assert polygon_area(points) == pytest.approx(area, rel=0.02, abs=1e-6)
