"""The trunk: ResNet-18, -50 or -101 up to C5.

He et al., Deep Residual Learning (CVPR 2016), in matterport's variant: a bias on every
convolution, the stride on the first convolution of a block and on its shortcut, BatchNorm epsilon
1e-3. Layer names are those of matterport's weights files: res4f_branch2a, bn4f_branch2a, ...
"""

import keras

# Blocks of the stages 2, 3, 4, 5.
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)


def resnet(bank, image, architecture, last_width=None):
    """Feature maps of an image.

    Args:
        bank: `LayerBank`.
        image: (B, H, W, 3) float32, molded (mean subtracted).
        architecture: "resnet18", "resnet50" or "resnet101".
        last_width: channels of the 3x3 convolutions of stage 5; None: 512.

    Returns:
        [C2, C3, C4, C5]: (B, H/4, W/4, 256) to (B, H/32, W/32, 2048); a quarter of the channels
        for ResNet-18.
    """
    widths = *WIDTHS[:3], last_width or WIDTHS[3]
    [c2] = stages(bank, stem(bank, image), architecture, last=2)
    # The finest maps are the largest, and soon made.
    c2 = bank.recomputed(image, c2)
    return [c2, *stages(bank, c2, architecture, first=3, widths=widths)]


def stem(bank, image):
    """C1 (B, H/4, W/4, 64) of a molded image."""
    x = keras.layers.ZeroPadding2D(3, dtype=bank.dtype)(image)
    x = _relu(bank, bank.conv_norm(x, "conv1", "bn_conv1", 64, 7, 2))
    return keras.layers.MaxPooling2D(3, strides=2, padding="same", dtype=bank.dtype)(x)


def stages(bank, x, architecture, last=5, widths=None, first=2):
    """[C<first>, ..., C<last>] of the maps before; `widths` are the channels of the stages 2..5,
    `WIDTHS` by default."""
    widths = widths or WIDTHS
    maps = []
    for stage in range(first, last + 1):
        width = widths[stage - 2]
        for index in range(BLOCKS[architecture][stage - 2]):
            tag = f"{stage}{chr(ord('a') + index)}"
            strides = (1 if stage == 2 else 2) if index == 0 else None
            if architecture == "resnet18":
                x = _basic_block(bank, x, tag, width, strides)
            else:
                x = bottleneck(bank, x, tag, (width, width, 4 * width), strides)
        maps.append(x)
    return maps


def _relu(bank, x, name=None):
    return keras.layers.Activation("relu", dtype=bank.dtype, name=name)(x)


def bottleneck(bank, x, tag, widths, strides=None, size=3, **settings):
    """1x1, size x size, 1x1 convolutions beside a shortcut.

    Args:
        bank: `LayerBank`.
        x: (B, h, w, C).
        tag: of the layer names, such as "2a".
        widths: channels of the three convolutions.
        strides: of the first convolution and of the shortcut's, in a stage's first block; None
            for the others, whose shortcut is x.
        size: of the middle convolution.
        settings: of all convolutions, such as use_bias.
    """
    res, bn = f"res{tag}_branch", f"bn{tag}_branch"
    first, middle, last = widths
    y = bank.conv_norm(x, res + "2a", bn + "2a", first, 1, strides or 1, **settings)
    y = _relu(bank, y)
    y = bank.conv_norm(y, res + "2b", bn + "2b", middle, size, padding="same", **settings)
    y = _relu(bank, y)
    y = bank.conv_norm(y, res + "2c", bn + "2c", last, 1, **settings)
    if strides:
        x = bank.conv_norm(x, res + "1", bn + "1", last, 1, strides, **settings)
    return _relu(bank, keras.layers.Add(dtype=bank.dtype)([y, x]), f"res{tag}_out")


def _basic_block(bank, x, tag, width, strides):
    """Two 3x3 convolutions beside a shortcut; stage 2 needs no projection."""
    res, bn = f"res{tag}_branch", f"bn{tag}_branch"
    y = bank.conv_norm(x, res + "2a", bn + "2a", width, 3, strides or 1, padding="same")
    y = bank.conv_norm(_relu(bank, y), res + "2b", bn + "2b", width, 3, padding="same")
    if strides and strides > 1:
        x = bank.conv_norm(x, res + "1", bn + "1", width, 1, strides)
    return _relu(bank, keras.layers.Add(dtype=bank.dtype)([y, x]), f"res{tag}_out")
