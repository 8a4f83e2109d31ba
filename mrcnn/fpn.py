"""The feature pyramid: P2..P6 from C2..C5.

Lin et al., Feature Pyramid Networks (CVPR 2017): lateral 1x1 convolutions, nearest upsampling,
addition, a 3x3 convolution on each level; P6 is P5 at every second cell.
"""

import keras


def pyramid(bank, maps, channels, first_level=2):
    """Pyramid levels of the trunk's maps.

    Args:
        bank: `LayerBank`.
        maps: [C2, C3, C4, C5].
        channels: static int, of every level.
        first_level: 2, or 3 to leave the finest level out.

    Returns:
        [P<first_level>, ..., P5, P6], each (B, H / 2^level, W / 2^level, channels).
    """
    top = bank.conv("fpn_c5p5", channels, 1)(maps[-1])
    levels = {5: top}
    for level in range(4, first_level - 1, -1):
        up = keras.layers.UpSampling2D(2, dtype=bank.dtype, name=f"fpn_p{level + 1}upsampled")(
            levels[level + 1]
        )
        lateral = bank.conv(f"fpn_c{level}p{level}", channels, 1)(maps[level - 2])
        levels[level] = keras.layers.Add(dtype=bank.dtype, name=f"fpn_p{level}add")([up, lateral])
    outputs = [
        bank.conv(f"fpn_p{level}", channels, 3, padding="same")(levels[level])
        for level in range(first_level, 6)
    ]
    p6 = keras.layers.MaxPooling2D(1, strides=2, dtype=bank.dtype, name="fpn_p6")(outputs[-1])
    return [*outputs, p6]
