"""What matterport's users do with `keras_model` beside training: files and layers by name."""

from __future__ import annotations

from pathlib import Path

import keras

from mrcnn import weights as weights_file
from mrcnn.matterport.graphs import rpn_model
from mrcnn.weights_loading import load_weights

WEIGHTS_ENDINGS = (".h5", ".hdf5")


class KerasFace:
    """`save`, `save_weights`, `load_weights` and `get_layer` of `MaskRCNN.keras_model`.

    Needs the attribute `bank`, the detector's `LayerBank`, and `rpn_settings`, a tuple (anchor
    stride, anchors a cell, pyramid channels, RPN channels).

    Attributes:
        is_trained: whether training starts from the weights that are loaded.
    """

    is_trained = True

    def save_weights(self, filepath, overwrite: bool = True, save_format: str | None = None):
        """Write the weights in matterport's HDF5 layout.

        Args:
            filepath: file to write.
            overwrite: False refuses when there is such a file.
            save_format: "h5" or None.

        Raises:
            FileExistsError: there is such a file and `overwrite` is False.
            ValueError: for another format.
        """
        if save_format not in (None, "h5"):
            raise ValueError(
                f"{filepath}: weights are written as HDF5 only (save_format='h5'). "
                f"Received: save_format={save_format!r}."
            )
        if not overwrite and Path(filepath).exists():
            raise FileExistsError(f"{filepath} exists; choose another name or overwrite=True.")
        weights_file.save_weights(filepath, self.bank.layers.values())

    def save(self, filepath, overwrite: bool = True, **settings):
        """Write the weights, as `save_weights`: the network is built from a `Config`, not from a
        file, so that a file of weights is the whole of what is to be kept.

        Raises:
            ValueError: the file's name does not end in .h5 or .hdf5.
        """
        if Path(filepath).suffix.lower() not in WEIGHTS_ENDINGS:
            raise ValueError(
                f"{filepath}: the network cannot be kept in Keras's format; give a name that ends "
                "in .h5, and load it with MaskRCNN(...).load_weights(file)."
            )
        self.save_weights(filepath, overwrite)

    def load_weights(
        self,
        filepath,
        by_name: bool = True,
        skip_mismatch: bool = False,
        exclude=(),
        other_classes: bool = False,
        **settings,
    ):
        """Read weights by layer name; see `mrcnn.weights_loading.load_weights`.

        Args:
            filepath: weights file.
            by_name: loading is always by name.
            skip_mismatch: leave layers alone whose shapes are not those of the file.
            exclude: names of further layers to leave alone.
            other_classes: the file was trained for other classes.
        """
        layers = list(self.bank.layers.values())
        exclude = set(exclude or ())
        if skip_mismatch:
            exclude |= mismatched(filepath, layers)
        return load_weights(filepath, layers, exclude, self.is_trained, other_classes)

    def get_layer(self, name: str | None = None, index: int | None = None):
        """A layer by name or index; "rpn_model" is the region proposal network as a model of one
        pyramid level, which matterport's graph holds as a layer."""
        if name != "rpn_model":
            return super().get_layer(name, index)
        if getattr(self, "_rpn_model", None) is None:
            self._rpn_model = rpn_model(self.bank, *self.rpn_settings)
        return self._rpn_model


def mismatched(filepath, layers: list[keras.layers.Layer]) -> set[str]:
    """Names of the layers that a weights file holds in another shape."""
    stored = weights_file.read_groups(filepath)
    return {
        layer.name
        for layer in layers
        for variable in layer.weights
        if (value := stored.get(layer.name, {}).get(weights_file.weight_name(variable))) is not None
        and tuple(value.shape) != tuple(variable.shape)
    }
