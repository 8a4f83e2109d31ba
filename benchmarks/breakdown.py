"""Where a training step of all layers spends its time, on views of the demo.

    python benchmarks/breakdown.py network=paper side=512 dtype=mixed_bfloat16
    python benchmarks/breakdown.py network=light side=192 dtype=float32

Each part of the training graph is run by itself, forward and backward, with an SGD update of its
weights; what lies before it is fed in. Trunk, pyramid and RPN are differences of growing models.
Beside the seconds stand the additions and multiplications of convolutions and matrix products
(forward, times three for training) and the rate that they make; at the top, the rate of a large
matrix product on this machine. `rest` is what the whole step takes beyond the parts: the
optimiser, the losses, and handing over the batch; less than nothing where parts overlap.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
from cases import batches_of_demo, matrix_product, seconds, training_model

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# Part -> how the names of its layers with kernels start.
LAYERS = {
    "trunk": ("conv1", "res2", "res3", "res4", "res5"),
    "pyramid": ("fpn_",),
    "RPN": ("rpn_",),
    "mask head": ("mrcnn_mask",),
    "box head": ("mrcnn_class", "mrcnn_bbox"),
}


def main(network: str = "light", side: int = 192, dtype: str = "float32", repeats: int = 5) -> None:
    """Prints the table."""
    import keras

    model, config = training_model(network, side, "all", dtype)
    graph = model.keras_model
    batch = batches_of_demo(config, 2)[1][0]
    counts = operations(graph)  # before the parts are made, which share the layers
    whole = seconds(lambda: graph.train_on_batch(batch), repeats)
    box_input, mask_input, roi_input, targets_input = (
        graph.get_layer(name).input
        for name in ("roi_align_classifier", "roi_align_mask", "ROI", "proposal_targets")
    )
    if config.MASK_FINE_FEATURES:
        mask_input = [*mask_input, graph.get_layer("roi_align_mask_fine").input[1]]
    fed = [*box_input, *mask_input, *roi_input, *targets_input]
    values = keras.Model(graph.inputs, fed).predict_on_batch(batch)
    known = {id(t): np.asarray(v) for t, v in zip(fed, values, strict=True)}
    known |= {id(t): v for t, v in zip(graph.inputs, batch, strict=True)}

    def part(inputs, outputs, train=True):
        arrays = [known[id(t)] for t in inputs]
        return seconds(runner(keras.Model(inputs, outputs), arrays, train), repeats)

    image, rpn_outputs = graph.inputs[:1], [graph.outputs[0], graph.outputs[2]]
    last = [x for x in graph.layers if x.name.startswith("res5") and x.name.endswith("_out")][-1]
    trunk = part(image, [last.output])
    pyramid = part(image, list(box_input[1:]))
    rpn = part(image, [*box_input[1:], *rpn_outputs])
    spent = {
        "trunk": trunk,
        "pyramid": pyramid - trunk,
        "RPN": rpn - pyramid,
        "proposals": part(roi_input, [graph.get_layer("ROI").output], train=False),
        "targets of RoIs": part(
            targets_input, list(graph.get_layer("proposal_targets").output), train=False
        ),
        "box head": part(box_input, [graph.outputs[3], graph.outputs[5]]),
        "mask head": part(mask_input, [graph.outputs[6]]),
    }
    print(f"{network}, {side} x {side} x {config.BATCH_SIZE}, all layers, {dtype}: {whole:.3g} s; "
          f"a matrix product makes {matrix_product()['gflops']:.0f} GFLOPS in float32")  # fmt: skip
    print(table(spent, whole, counts))


def runner(part, arrays: list[np.ndarray], train: bool):
    """Returns a function that runs a part once: forward, and backward to its weights and inputs."""
    import keras
    from keras import ops

    if not train:
        part.compile(jit_compile=False)
        return lambda: part.predict_on_batch(arrays)

    class Passing(keras.layers.Layer):
        """Multiplies by a weight, so that the gradient must come back to here."""

        def build(self, shape):
            self.weight = self.add_weight(shape=(), initializer="ones", dtype="float32")

        def call(self, x):
            return x * ops.cast(self.weight, x.dtype)

    inputs = [keras.Input(batch_shape=a.shape, dtype=str(a.dtype)) for a in arrays]
    passed = [Passing()(x) if len(x.shape) == 4 else x for x in inputs]
    outputs = part(passed)
    whole = keras.Model(inputs, outputs)
    count = len(outputs) if isinstance(outputs, list | tuple) else 1
    losses = [lambda y, x: ops.mean(ops.square(ops.cast(x, "float32")))] * count
    whole.compile(optimizer=keras.optimizers.SGD(1e-9), loss=losses, jit_compile=False)
    nothing = [np.zeros((len(arrays[0]), 1), np.float32)] * count
    return lambda: whole.train_on_batch(arrays, nothing)


def operations(graph) -> dict[str, float]:
    """Additions and multiplications of a forward pass, by part."""
    counts = dict.fromkeys(LAYERS, 0.0)
    for layer in graph.layers:
        name = next((p for p, starts in LAYERS.items() if layer.name.startswith(starts)), None)
        kernel = getattr(layer, "kernel", None)
        if name is None or kernel is None:
            continue
        for node in layer._inbound_nodes:
            # A transposed convolution multiplies each input place with its kernel, all others
            # make each output place of one.
            transposed = "Transpose" in type(layer).__name__
            tensor = node.input_tensors[0] if transposed else node.output_tensors[0]
            counts[name] += 2 * np.prod(tensor.shape[:-1]) * np.prod(kernel.shape)
    return counts


def table(spent: dict[str, float], whole: float, counts: dict[str, float]) -> str:
    """The parts as a Markdown table."""
    lines = ["| part | ms | of the step | GFLOP | GFLOPS |", "|---|---|---|---|---|"]
    for name, value in [*spent.items(), ("rest", whole - sum(spent.values()))]:
        work = 3 * counts.get(name, 0) / 1e9
        rate = f"{work:.1f} | {work / value:.0f}" if work else " | "
        lines.append(f"| {name} | {1e3 * value:.0f} | {value / whole:.0%} | {rate} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    arguments = dict(text.split("=", 1) for text in sys.argv[1:])
    main(
        **{k: v if k in ("network", "dtype") else ast.literal_eval(v) for k, v in arguments.items()}
    )
