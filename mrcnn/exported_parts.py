"""The exported network cut in two: convolutions of the image in bfloat16, the rest in float32.

OpenVINO computes a whole graph in one type. In bfloat16, with its 8 bits, it rounds where a box
lies by pixels; so only the part up to the feature maps and the RPN's answers may have it, as in
Keras, where coordinates are float32 whatever the layers' type.
"""

LATENCY = {"PERFORMANCE_HINT": "LATENCY"}
FLOAT32 = {**LATENCY, "INFERENCE_PRECISION_HINT": "f32"}
BFLOAT16 = {**LATENCY, "INFERENCE_PRECISION_HINT": "bf16"}


def has_bfloat16(core):
    """Whether the processor computes with bfloat16, by an `openvino.Core`."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Whole:
    """A graph in float32.

    Args:
        core: `openvino.Core`.
        model: `openvino.Model` of `openvino_export`.

    Raises:
        RuntimeError: when OpenVINO cannot compile it.
    """

    def __init__(self, core, model):
        self._request = core.compile_model(model, "CPU", FLOAT32).create_infer_request()

    def __call__(self, image, lowest_score):
        """Return detections, probabilities and masks, as arrays that the next call writes over.

        Args:
            image: (1, S, S, 3) float32.
            lowest_score: (1,) float32.
        """
        self._request.infer([image, lowest_score])
        return [self._request.get_output_tensor(k).data for k in range(3)]


class InParts:
    """A graph whose maps are computed in bfloat16; arguments and answers as of `Whole`.

    Args:
        core, model: as of `Whole`; the model stays as it is.

    Raises:
        RuntimeError: when it cannot be compiled, or cut: more than these maps goes from one part to
            the other.
    """

    def __init__(self, core, model):
        import openvino
        from openvino import opset13 as op

        whole = model.clone()
        image, _ = whole.get_parameters()
        results = [op.result(output) for output in _maps(whole)]
        first = openvino.Model(results, [image], "maps")
        whole = model.clone()
        _, lowest = whole.get_parameters()
        given = []
        for output in _maps(whole):
            given.append(op.parameter(output.shape, openvino.Type.f32))
            for target in _entries(output):
                target.replace_source_output(given[-1].output(0))
        second = openvino.Model(whole.get_results()[:3], [*given, lowest], "answers")
        self._maps = core.compile_model(first, "CPU", BFLOAT16).create_infer_request()
        self._answers = core.compile_model(second, "CPU", FLOAT32).create_infer_request()
        self._count = len(given)

    def __call__(self, image, lowest_score):
        self._maps.infer([image])
        maps = [self._maps.get_output_tensor(k).data for k in range(self._count)]
        self._answers.infer([*maps, lowest_score], share_inputs=True)
        return [self._answers.get_output_tensor(k).data for k in range(3)]


def _maps(model):
    """The 4-D outputs of which RoIs are aligned and proposals are made."""
    outputs = [output for node in model.get_ordered_ops() for output in node.outputs()]
    return [output for output in outputs if _entries(output)]


def _entries(output):
    """Where a map of an image enters RoIAlign, or the RPN's list of anchors, which lays it flat;
    files written before November 29, 2026 lay it flat for both."""
    if len(output.partial_shape) != 4 or not output.partial_shape.is_static:
        return []
    return [
        target
        for target in output.get_target_inputs()
        if target.get_index() == 0 and _takes_maps(target.get_node())
    ]


def _takes_maps(node):
    if node.get_type_name() == "ROIAlign":
        return True
    name = node.get_friendly_name()
    return node.get_type_name() == "Reshape" and ("roi_align" in name or "reshape_" in name)
