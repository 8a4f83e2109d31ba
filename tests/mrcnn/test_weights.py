"""Weights files in matterport's layout: out, in, and everything that may be wrong with one."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import ops
from networks import fill_by_recipe, recipe_value
from toys import TinyConfig

from mrcnn import weights
from mrcnn.backbone import resnet
from mrcnn.graphs import inference_graph
from mrcnn.layers import LayerBank
from mrcnn.older_keras_names import imagenet_name, layer_and_weight
from mrcnn.weights import WeightsError
from mrcnn.weights_loading import load_imagenet, load_weights


def build(**changes):
    """The layers of an inference network of 64 x 64 pixels, built."""
    small = {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, **changes}
    config = type("Changed", (TinyConfig,), small)()
    bank = LayerBank(config, training=False)
    inference_graph(bank, config, (64, 64))
    return list(bank.layers.values())


def values(layers):
    return {
        f"{layer.name}/{weights.weight_name(v)}": np.array(ops.convert_to_numpy(v))
        for layer in layers
        for v in layer.weights
    }


def assert_same(layers, expected, but=()):
    for key, value in values(layers).items():
        if not key.startswith(tuple(but)):
            np.testing.assert_array_equal(value, expected[key], err_msg=key)


def forget(layers):
    for layer in layers:
        for variable in layer.weights:
            variable.assign(ops.zeros_like(variable))


@pytest.fixture(scope="module")
def network():
    return build()


@pytest.fixture(scope="module")
def original(network):
    fill_by_recipe(network)
    return values(network)


@pytest.fixture
def file(network, original, tmp_path):
    """A weights file of the network filled by the recipe; the network itself is emptied."""
    for layer in network:
        for variable in layer.weights:
            variable.assign(original[f"{layer.name}/{weights.weight_name(variable)}"])
    path = tmp_path / "mask_rcnn_tiny_0001.h5"
    weights.save_weights(path, network, {"class_names": ["disc", "square"], "scale": 0.5})
    forget(network)
    return path


# --- there and back ----------------------------------------------------------------------------


def test_there_and_back(network, original, file):
    report = load_weights(file, network)
    assert_same(network, original)
    assert not (report.absent or report.excluded or report.unused)
    assert [n for n in file.parent.iterdir()] == [file]


def test_report_has_three_lines(network, original, file):
    with h5py.File(file, "a") as stored:
        stored.attrs["layer_names"] = np.array([*stored.attrs["layer_names"], b"other"])
        stored.create_group("other").attrs["weight_names"] = np.array([b"other/kernel:0"])
        stored["other"].create_dataset("other/kernel:0", data=np.zeros(3))
    report = load_weights(file, network, exclude=["mrcnn_mask", "conv1"])
    assert report.absent == [] and report.unused == ["other"]
    assert sorted(report.excluded) == ["conv1", "mrcnn_mask"]
    lines = str(report).splitlines()
    assert len(lines) == 3
    assert "2 (conv1, mrcnn_mask) by request, none not in the file" in lines[1]
    assert_same(network, original, but=["conv1", "mrcnn_mask/"])
    now = values(network)
    assert not now["conv1/kernel"].any() and not now["mrcnn_mask/kernel"].any()
    assert now["mrcnn_mask_conv1/kernel"].any()


def test_excluding_the_rpn_as_a_whole(network, original, file):
    report = load_weights(file, network, exclude=["rpn_model"])
    assert sorted(report.excluded) == ["rpn_bbox_pred", "rpn_class_raw", "rpn_conv_shared"]
    assert_same(network, original, but=["rpn"])


def test_weights_below_model_weights(network, original, file):
    with h5py.File(file, "a") as stored:
        below = stored.create_group("model_weights")
        for name in list(stored):
            if name != "model_weights":
                stored.move(name, f"model_weights/{name}")
        below.attrs["layer_names"] = stored.attrs["layer_names"]
        del stored.attrs["layer_names"]
    load_weights(file, network)
    assert_same(network, original)


def test_names_of_older_files(network, original, file):
    """TimeDistributed wrappers, numbered weights, and text instead of bytes in the attributes."""
    with h5py.File(file, "a") as stored:
        stored.attrs["layer_names"] = [n.decode() for n in stored.attrs["layer_names"]]
        group = stored["mrcnn_class_conv1"]
        group.move("mrcnn_class_conv1/kernel:0", "time_distributed_1/mrcnn/kernel_2:0")
        group.move("mrcnn_class_conv1/bias:0", "time_distributed_1/mrcnn/bias_1:0")
        group.attrs["weight_names"] = [
            "time_distributed_1/mrcnn/kernel_2:0",
            "time_distributed_1/mrcnn/bias_1:0",
        ]
    load_weights(file, network)
    assert_same(network, original)


def test_anchors_in_a_file_are_passed_over(network, original, file):
    """Pitfall 13: older files hold anchors, which had been trained along and drifted."""
    with h5py.File(file, "a") as stored:
        names = [*stored.attrs["layer_names"], b"anchors"]
        stored.attrs["layer_names"] = np.array(names)
        stored.create_group("anchors").attrs["weight_names"] = np.array([b"Variable:0"])
        stored["anchors"].create_dataset("Variable:0", data=np.zeros((1, 9, 4), "float32"))
    report = load_weights(file, network)
    assert "anchors" not in report.unused
    assert_same(network, original)


def trunk(architecture):
    bank = LayerBank(TinyConfig(), training=False)
    resnet(bank, keras.Input((64, 64, 3), batch_size=1), architecture)
    return list(bank.layers.values())


def test_layers_of_a_deeper_trunk(tmp_path):
    """A ResNet-101 file into a ResNet-50 network: the blocks that both have are filled."""
    deep, shallow = trunk("resnet101"), trunk("resnet50")
    expected = {}
    for number, layer in enumerate(deep):
        for variable in layer.weights:
            variable.assign(ops.full_like(variable, number))
            expected[f"{layer.name}/{weights.weight_name(variable)}"] = number
    path = tmp_path / "mask_rcnn_deep_0001.h5"
    weights.save_weights(path, deep)
    with pytest.raises(WeightsError, match="blocks 4g to 4w have no place"):
        load_weights(path, shallow)
    report = load_weights(path, shallow, start=True)
    assert not report.absent
    assert "blocks 4g to 4w are left out" in str(report)
    blocks = {name.split("_")[0][3:] for name in report.unused if name.startswith("res")}
    assert blocks == {f"4{chr(ord('a') + k)}" for k in range(6, 23)}
    for key, value in values(shallow).items():
        assert (value == expected[key]).all(), key


# --- what does not fit -------------------------------------------------------------------------


def test_another_number_of_classes(network, original, file):
    others = build(NUM_CLASSES=5)
    before = values(others)
    with pytest.raises(WeightsError) as caught:
        load_weights(file, others)
    message = str(caught.value)
    assert message.startswith(str(file)) and message.count("\n") == 0
    assert "3 classes (with the background), this network has 5" in message
    exclude = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]
    assert f"exclude={exclude}" in message
    assert_same(others, before)  # nothing was half loaded
    report = load_weights(file, others, exclude=exclude)
    assert sorted(report.excluded) == sorted(exclude)
    assert_same(others, {**before, **original}, but=[f"{name}/" for name in exclude])


def test_the_layers_of_other_classes_are_a_start(original, file):
    """Of two classes for three: the background stays, each class gets the mean of the two."""
    layers = build(NUM_CLASSES=4)
    own = values(layers)
    report = load_weights(file, layers, other_classes=True)
    assert not (report.absent or report.excluded)
    now = values(layers)
    for layer, numbers in (("mrcnn_class_logits", 1), ("mrcnn_bbox_fc", 4), ("mrcnn_mask", 1)):
        for weight in ("kernel", "bias"):
            key = f"{layer}/{weight}"
            given = original[key].reshape(*original[key].shape[:-1], 3, numbers)
            found = now[key].reshape(*now[key].shape[:-1], 4, numbers)
            np.testing.assert_array_equal(found[..., 0, :], given[..., 0, :])
            if layer == "mrcnn_class_logits":
                found = found - own[key].reshape(found.shape)
            for k in (1, 2, 3):
                mean = given[..., 1:, :].mean(-2)
                np.testing.assert_allclose(found[..., k, :], mean, atol=1e-6)
    key = "mrcnn_class_conv1/kernel"
    np.testing.assert_array_equal(now[key], original[key])


def test_a_start_to_pass_on(network, file, tmp_path):
    """Half the bytes or less; a network of other classes starts from it as from the file itself."""
    settings = {"TOP_DOWN_PYRAMID_SIZE": 16}
    with h5py.File(file, "a") as stored:
        stored.attrs["config"] = json.dumps(settings)
    small = tmp_path / "start.h5"
    weights.write_start(file, small, "molecule")
    assert small.stat().st_size < 0.55 * file.stat().st_size
    metadata = weights.read_metadata(small)
    assert metadata["class_names"] == ["molecule"] and metadata["scale"] == 0.5
    assert metadata["config"] == {**settings, "NUM_CLASSES": 2}
    layers = build(NUM_CLASSES=4)
    random = values(layers)
    load_weights(file, layers, other_classes=True)
    expected = values(layers)
    for layer in layers:
        for variable in layer.weights:
            variable.assign(random[f"{layer.name}/{weights.weight_name(variable)}"])
    load_weights(small, layers, other_classes=True)
    for key, value in values(layers).items():
        bound = {"rtol": 1e-3, "atol": 2e-4} if key.endswith("kernel") else {"rtol": 1e-6}
        np.testing.assert_allclose(value, expected[key], err_msg=key, **bound)


def test_another_pyramid(network, file):
    with pytest.raises(WeightsError, match="another network .*TOP_DOWN_PYRAMID_SIZE"):
        load_weights(file, build(TOP_DOWN_PYRAMID_SIZE=32))


def test_nothing_fits(file, tmp_path):
    layer = keras.layers.Dense(3, name="stranger")
    layer.build((None, 2))
    with pytest.raises(WeightsError, match="nothing was loaded"):
        load_weights(file, [layer])


def test_a_layer_that_lacks_a_weight(network, file):
    with h5py.File(file, "a") as stored:
        names = stored["conv1"].attrs["weight_names"]
        stored["conv1"].attrs["weight_names"] = names[:1]
    with pytest.raises(WeightsError, match="'conv1' lacks its 'bias'"):
        load_weights(file, network)


def test_missing_file(network, tmp_path):
    with pytest.raises(WeightsError, match="there is no such weights file"):
        load_weights(tmp_path / "none.h5", network)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file(network, file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="no HDF5 file, or its end is missing"):
        load_weights(file, network)


def test_overwritten_inside(network, file):
    """A weight that is announced but not there."""
    with h5py.File(file, "a") as stored:
        del stored["fpn_p3/fpn_p3/kernel:0"]
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(file, network)


@pytest.mark.parametrize("group", ["rpn_model", "fpn_p2", "bn2a_branch2a", "mrcnn_mask_deconv"])
@pytest.mark.parametrize("start", [False, True])
def test_an_incomplete_file_is_refused(network, original, file, group, start):
    """Else a network with a part of chance finds nothing, and nobody says why."""
    with h5py.File(file, "a") as stored:
        stored[group].attrs["weight_names"] = np.array([])
    names = [name for name, nested in weights.NESTED.items() if nested == group] or [group]
    with pytest.raises(WeightsError) as caught:
        load_weights(file, network, start=start)
    message = str(caught.value)
    assert message.startswith(f"{file}: {len(names)} layers") and message.count("\n") == 0
    assert names[0] in message and "exclude these layers" in message
    assert not any(value.any() for value in values(network).values())  # nothing was half loaded
    report = load_weights(file, network, exclude=[group])
    assert sorted(report.excluded) == sorted(names)
    assert_same(network, original, but=[f"{name}/" for name in names])


def test_values_that_are_no_numbers(network, file):
    with h5py.File(file, "a") as stored:
        stored["fpn_p3/fpn_p3/kernel:0"][0, 0, 0, 0] = np.nan
    with pytest.raises(WeightsError, match="fpn_p3/kernel holds values that are no numbers"):
        load_weights(file, network)


def test_two_networks_in_a_file(network, file):
    with h5py.File(file, "a") as stored:
        names = [*stored.attrs["layer_names"], b"conv1_1"]
        stored.attrs["layer_names"] = np.array(names)
        stored.copy("conv1", "conv1_1")
    with pytest.raises(WeightsError, match="conv1/kernel twice"):
        load_weights(file, network)


def test_a_group_in_the_place_of_a_weight(network, file):
    with h5py.File(file, "a") as stored:
        del stored["fpn_p3/fpn_p3/kernel:0"]
        stored.create_group("fpn_p3/fpn_p3/kernel:0")
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(file, network)


def test_other_hdf5_file(network, tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as stored:
        stored["x"] = 1
    with pytest.raises(WeightsError, match="is this a Mask R-CNN weights file"):
        load_weights(path, network)


def test_a_weight_of_dishonest_size(network, file):
    """A few bytes that claim to be terabytes must not fill the memory."""
    with h5py.File(file, "a") as stored:
        del stored["conv1/conv1/kernel:0"]
        stored["conv1"].create_dataset(
            "conv1/kernel:0", shape=(1 << 40,), chunks=(1 << 20,), dtype="float32"
        )
    with pytest.raises(WeightsError, match="too large to be honest"):
        load_weights(file, network)


def test_many_weights_of_dishonest_size(network, file):
    """Each of a gigabyte, none of it in the file."""
    with h5py.File(file, "a") as stored:
        for name in ("conv1", "fpn_p2", "fpn_p3"):
            del stored[f"{name}/{name}/kernel:0"]
            stored[name].create_dataset(
                f"{name}/kernel:0", shape=(1 << 28,), chunks=(1 << 20,), dtype="float32"
            )
    with pytest.raises(WeightsError, match="too large to be honest"):
        load_weights(file, network)


def test_a_compressed_file(network, original, file):
    """Honest, and smaller than its weights: compressed to send it around."""
    with h5py.File(file, "a") as stored:
        for name in ("conv1", "fpn_p2"):
            values_ = stored[f"{name}/{name}/kernel:0"][()]
            del stored[f"{name}/{name}/kernel:0"]
            stored[name].create_dataset(f"{name}/kernel:0", data=values_, compression="gzip")
    load_weights(file, network)
    assert_same(network, original)


# --- writing -----------------------------------------------------------------------------------


def test_a_killed_write_leaves_the_old_file(network, file, monkeypatch):
    before = file.read_bytes()

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "to_numpy", fail)
    with pytest.raises(KeyboardInterrupt):
        weights.save_weights(file, network)
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_names_with_spaces_and_chinese_letters(network, original, file, tmp_path):
    folder = tmp_path / "分子 [1]"
    folder.mkdir()
    path = folder / "mask_rcnn_分子 A_0001.h5"
    load_weights(file, network)
    weights.save_weights(path, network, {"class_names": ["分子"]})
    forget(network)
    load_weights(path, network)
    assert_same(network, original)
    assert weights.read_metadata(path)["class_names"] == ["分子"]


@pytest.mark.parametrize(
    ("group", "key", "expected"),
    [
        ("rpn_model", "rpn_conv_shared_1/kernel:0", ("rpn_conv_shared", "kernel")),
        ("rpn_model_2", "mask_rcnn/rpn_bbox_pred_2/bias_1:0", ("rpn_bbox_pred", "bias")),
        ("mask_rcnn", "mrcnn_mask_bn1_1/moving_mean:0", ("mrcnn_mask_bn1", "moving_mean")),
        ("mrcnn_class_conv1", "td_1/x/kernel_3:0", ("mrcnn_class_conv1", "kernel")),
        ("fpn_c5p5", "fpn_c5p5_1/kernel:0", ("fpn_c5p5", "kernel")),
        ("conv1", "conv1_W_1:0", ("conv1", "kernel")),
        ("bn_conv1", "bn_conv1_running_std_1:0", ("bn_conv1", "moving_variance")),
        ("rpn_model", "rpn_class_raw_b:0", ("rpn_class_raw", "bias")),
        ("conv4_block6_2_bn", "conv4_block6_2_bn/gamma:0", ("conv4_block6_2_bn", "gamma")),
        ("my_head_1", "my_head_1/kernel:0", ("my_head_1", "kernel")),
        ("anchors", "anchors/Variable_1:0", ("anchors", "Variable")),
    ],
)
def test_names_are_freed_of_numbers(group, key, expected):
    assert layer_and_weight(group, key) == expected


# --- metadata ----------------------------------------------------------------------------------


def test_metadata(network, tmp_path):
    path = tmp_path / "m.h5"
    given = {
        "class_names": ["003a", "020a"],
        "scale": 0.61,
        "config": TinyConfig().to_dict(),
        "score_threshold": 0.4,
        "extra": {"seed": 3},
    }
    weights.save_weights(path, network[:1], given)
    found = weights.read_metadata(path)
    assert found["class_names"] == ["003a", "020a"]
    assert found["scale"] == 0.61 and found["score_threshold"] == 0.4
    assert found["extra"] == {"seed": 3}
    assert found["config"]["BACKBONE"] == "resnet18"
    assert found["config"]["MEAN_PIXEL"] == [123.7, 116.8, 103.9]  # NumPy values become plain
    assert found["config"]["IMAGE_SHAPE"] == [128, 128, 3]


def test_metadata_of_older_files(file):
    with h5py.File(file, "a") as stored:
        for key in ("class_names", "scale"):
            del stored.attrs[key]
    assert weights.read_metadata(file) == {
        "class_names": None,
        "scale": None,
        "config": {},
        "score_threshold": None,
        "extra": {},
    }


def test_metadata_of_unknown_name(network, tmp_path):
    with pytest.raises(ValueError, match="must be among"):
        weights.save_weights(tmp_path / "m.h5", network[:1], {"colour": "red"})
    assert not list(tmp_path.iterdir())


def test_metadata_that_is_no_json(file):
    with h5py.File(file, "a") as stored:
        stored.attrs["class_names"] = "{broken"
    with pytest.raises(WeightsError, match="'class_names' is no JSON"):
        weights.read_metadata(file)


@pytest.mark.parametrize("attribute", ["class_names", "layer_names"])
def test_attributes_of_dishonest_size(network, tmp_path, attribute):
    """An attribute that would fill the memory is refused before it is read."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", libver="latest") as stored:
        stored.attrs.create(attribute, np.zeros(3 << 20, np.uint8))
    with pytest.raises(WeightsError, match=f"'{attribute}' is too large to be honest"):
        if attribute == "class_names":
            weights.read_metadata(path)
        else:
            load_weights(path, network)


def test_long_honest_attributes(network, original, file, tmp_path):
    """Half of what is refused: names stored with room for 4000 letters each."""
    path = tmp_path / "long.h5"
    with h5py.File(file) as short, h5py.File(path, "w", libver="latest") as stored:
        for name in short:
            short.copy(name, stored)
        names = short.attrs["layer_names"].astype("S4000")
        assert weights.MAX_ATTRIBUTE_BYTES // 8 < names.nbytes < weights.MAX_ATTRIBUTE_BYTES
        stored.attrs["layer_names"] = names
    load_weights(path, network)
    assert_same(network, original)


@pytest.mark.parametrize("empty", [np.array([]), np.array([], "S1"), h5py.Empty("f8")])
def test_layers_without_weights(network, original, file, empty):
    """Each h5py has written the empty list in a way of its own."""
    with h5py.File(file, "a") as stored:
        names = [b"input_image", *stored.attrs["layer_names"]]
        stored.attrs["layer_names"] = np.array(names)
        stored.create_group("input_image").attrs["weight_names"] = empty
    assert not load_weights(file, network).unused
    assert_same(network, original)


# --- ImageNet ----------------------------------------------------------------------------------


def test_names_of_imagenet_layers():
    assert imagenet_name("conv1_conv") == "conv1"
    assert imagenet_name("conv1_bn") == "bn_conv1"
    assert imagenet_name("conv2_block1_0_conv") == "res2a_branch1"
    assert imagenet_name("conv4_block6_2_bn") == "bn4f_branch2b"
    assert imagenet_name("predictions") is None
    assert imagenet_name("conv2_block1_out") is None


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A file as keras.applications publishes it, with weights by the recipe."""
    trunk = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    path = tmp_path_factory.mktemp("imagenet") / "resnet50_weights_notop.h5"
    with h5py.File(path, "w") as file:
        layers = [layer for layer in trunk.layers if layer.weights]
        file.attrs["layer_names"] = np.array([layer.name.encode() for layer in layers])
        for layer in layers:
            group, names = file.create_group(layer.name), []
            for variable in layer.weights:
                name = weights.weight_name(variable)
                key = f"{layer.name}/{name}:0"
                shape = tuple(variable.shape)
                group.create_dataset(key, data=recipe_value(layer.name, name, shape))
                names.append(key.encode())
            group.attrs["weight_names"] = np.array(names)
    return path


def test_imagenet_fills_the_trunk(imagenet):
    """Every layer of the trunk, and the first kernel's input axis turned: those weights know BGR,
    our images are RGB."""
    layers = trunk("resnet50")
    report = load_imagenet(layers, weights.read_groups(imagenet))
    names = [x.name for x in layers if x.weights]
    assert sorted(report.loaded) == sorted(names) and len(names) == 106
    assert not report.absent
    now = values(layers)
    kernel = recipe_value("conv1_conv", "kernel", (7, 7, 3, 64))
    np.testing.assert_array_equal(now["conv1/kernel"], kernel[:, :, ::-1])
    for name, source, weight in (
        ("bn_conv1", "conv1_bn", "gamma"),
        ("res2a_branch1", "conv2_block1_0_conv", "kernel"),
        ("res4f_branch2b", "conv4_block6_2_conv", "bias"),
        ("bn5c_branch2c", "conv5_block3_3_bn", "moving_variance"),
    ):
        value = now[f"{name}/{weight}"]
        np.testing.assert_array_equal(value, recipe_value(source, weight, value.shape))


def test_imagenet_into_another_trunk(imagenet, network):
    """ResNet-18 has blocks of another kind: one sentence."""
    with pytest.raises(WeightsError):
        load_imagenet(network, weights.read_groups(imagenet))
