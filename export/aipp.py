"""AIPP, which turns bytes into the network's input on Ascend, and the network without that part."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper
from onnx.utils import Extractor

from inference.contract import Contract
from inference.errors import InputError

NEWEST_OPSET = 17  # ATC documents operators of 18, and its parser is known to take 17
NORMALISATION = {"Cast", "Transpose", "Mul", "Add", "Sub", "Div"}
# What export.to_onnx writes, and ATC reads.
OPERATORS = {
    *(
        "Conv",
        "ConvTranspose",
        "Relu",
        "Sigmoid",
        "Mul",
        "Add",
        "Concat",
        "MaxPool",
        "DepthToSpace",
    ),
    *("Resize", "Cast", "Transpose", "Squeeze", "Constant"),
}


def aipp_config(contract: Contract) -> str:
    """The contract's normalisation as AIPP's configuration file, for uint8 NHWC images.

    AIPP computes (pixel - mean_chn - min_chn) * var_reci_chn. mean_chn must be an integer, so the mean
    goes into min_chn: (x - 255 mean) / (255 std).
    """
    lines = [
        "aipp_op {",
        "    aipp_mode: static",
        "    input_format: RGB888_U8",
        f"    src_image_size_w: {contract.size}",
        f"    src_image_size_h: {contract.size}",
        "    csc_switch: false",
        "    rbuv_swap_switch: false",
    ]
    for channel, (mean, std) in enumerate(zip(contract.mean, contract.std, strict=True)):
        lines.append(f"    min_chn_{channel}: {255 * mean:.9g}")
        lines.append(f"    var_reci_chn_{channel}: {1 / (255 * std):.9g}")
    return "\n".join([*lines, "}", ""])


def cut_normalisation(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """A copy of a model without its normalisation, which AIPP does instead.

    Its input is `image`, (N, 3, S, S) float32, normalised.

    Raises:
        InputError: ATC would not read the model: its opset is too new, or it has operators that
            export.to_onnx does not write.
    """
    opset = max(entry.version for entry in model.opset_import)
    if opset > NEWEST_OPSET:
        raise InputError(
            f"model of opset {opset}: ATC reads at most {NEWEST_OPSET}; export it with export.to_onnx"
        )
    tensor = "image"
    while True:
        (reader,) = (node for node in model.graph.node if tensor in node.input)
        if reader.op_type not in NORMALISATION:
            break
        tensor = reader.output[0]
    cut = Extractor(onnx.shape_inference.infer_shapes(model)).extract_model(
        [tensor], ["probability"]
    )
    if unknown := {node.op_type for node in cut.graph.node} - OPERATORS:
        raise InputError(
            f"operators {sorted(unknown)}: ATC may not know them; export the model with export.to_onnx"
        )
    for node in cut.graph.node:
        node.input[:] = ["image" if name == tensor else name for name in node.input]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ("N", 3, size, size))
    del cut.graph.input[:]
    cut.graph.input.append(image)
    onnx.checker.check_model(cut, full_check=True)
    return cut
