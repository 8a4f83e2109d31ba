"""The trunk: ResNet-18, -50 or -101 up to C5.

He et al., Deep Residual Learning (CVPR 2016), in matterport's variant: a bias on every
convolution, the stride on the first convolution of a block and on its shortcut, BatchNorm epsilon
1e-3. Layer names are those of matterport's weights files: res4f_branch2a, bn4f_branch2a, ...
"""

import keras

# Blocks of the stages 2, 3, 4, 5.
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)


def resnet(bank, image, architecture):
    """Feature maps of a picture.

    Args:
        bank: `LayerBank`.
        image: (B, H, W, 3) float32, molded (mean subtracted).
        architecture: "resnet18", "resnet50" or "resnet101".

    Returns:
        [C2, C3, C4, C5]: (B, H/4, W/4, 256) to (B, H/32, W/32, 2048); a quarter of the channels
        for ResNet-18.
    """
    x = keras.layers.ZeroPadding2D(3, dtype=bank.dtype)(image)
    x = bank.conv("conv1", 64, 7, strides=2)(x)
    x = _relu(bank, bank.batch_norm("bn_conv1", x))
    x = keras.layers.MaxPooling2D(3, strides=2, padding="same", dtype=bank.dtype)(x)
    block = _basic_block if architecture == "resnet18" else _bottleneck
    maps = []
    for stage, (blocks, width) in enumerate(zip(BLOCKS[architecture], WIDTHS, strict=True), 2):
        for index in range(blocks):
            first = index == 0
            strides = 2 if first and stage > 2 else 1
            x = block(bank, x, f"{stage}{chr(ord('a') + index)}", width, strides, first)
        maps.append(x)
    return maps


def _relu(bank, x, name=None):
    return keras.layers.Activation("relu", dtype=bank.dtype, name=name)(x)


def _bottleneck(bank, x, tag, width, strides, project):
    """1x1, 3x3, 1x1 convolutions beside a shortcut, which is projected in a stage's first block."""
    res, bn = f"res{tag}_branch", f"bn{tag}_branch"
    y = bank.batch_norm(bn + "2a", bank.conv(res + "2a", width, 1, strides)(x))
    y = bank.conv(res + "2b", width, 3, padding="same")(_relu(bank, y))
    y = _relu(bank, bank.batch_norm(bn + "2b", y))
    y = bank.batch_norm(bn + "2c", bank.conv(res + "2c", 4 * width, 1)(y))
    if project:
        x = bank.batch_norm(bn + "1", bank.conv(res + "1", 4 * width, 1, strides)(x))
    return _relu(bank, keras.layers.Add(dtype=bank.dtype)([y, x]), f"res{tag}_out")


def _basic_block(bank, x, tag, width, strides, project):
    """Two 3x3 convolutions beside a shortcut; stage 2 needs no projection."""
    res, bn = f"res{tag}_branch", f"bn{tag}_branch"
    y = bank.conv(res + "2a", width, 3, strides, padding="same")(x)
    y = _relu(bank, bank.batch_norm(bn + "2a", y))
    y = bank.batch_norm(bn + "2b", bank.conv(res + "2b", width, 3, padding="same")(y))
    if project and strides > 1:
        x = bank.batch_norm(bn + "1", bank.conv(res + "1", width, 1, strides)(x))
    return _relu(bank, keras.layers.Add(dtype=bank.dtype)([y, x]), f"res{tag}_out")
