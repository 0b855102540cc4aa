"""What ATC, the model compiler of Ascend CANN, is told, and what its errors mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto, helper
from onnx.utils import Extractor

from inference.contract import Contract
from inference.errors import InputError

Precision = Literal["fp16", "mixed_float16", "origin"]
NEWEST_OPSET = 18
MAX_BATCHES = 100
NORMALISATION = {"Cast", "Transpose", "Mul", "Add", "Sub", "Div"}
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
# Codes from CANN's own tables (GE, TE, FE), by what mends them.
CURES = {
    "a value is not known to this CANN, most often --soc-version; see npu-smi info": ("E10001",),
    "an argument that this CANN requires is missing; update CANN": ("E10007",),
    "the shape or name of the input is refused; export the model again": (
        *("E10002", "E10016", "E10018", "E10031"),
    ),
    "a path is too long; choose a shorter one": ("E10021",),
    "the batches are refused; give different ones, at most 100": ("E10035", "E10036", "E10039"),
    "an operator or opset is not known to this CANN; update CANN": ("E19010", "EZ9010"),
    "an operator has no kernel for this chip; install the chip's ops package": ("EZ3002", "EZ3003"),
    "an operator did not compile; install the chip's ops package": ("E20001", "E40021"),
    "CANN's Python modules are missing; source set_env.sh, with a Python it supports": ("E40020",),
}


@dataclass(frozen=True)
class AtcOptions:
    """What is chosen for a conversion.

    Attributes:
        soc_version: chip, as ATC spells it: Ascend310, Ascend310P3, Ascend910B3, ...
        batches: batch sizes that the model takes; one makes a static model.
        precision: fp16, mixed_float16 (some operators stay float32) or origin (the model's own).
    """

    soc_version: str
    batches: tuple[int, ...] = (1,)
    precision: Precision = "fp16"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"Ascend\d{3}\w*", self.soc_version):
            raise InputError(
                f"--soc-version {self.soc_version}: must be as ATC spells it, as in Ascend310P3: "
                '"Ascend" and the name that npu-smi info shows'
            )
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) < len(self.batches):
            raise InputError(
                f"--batches {self.batches}: must be different numbers from 1; as in 1 4 8"
            )
        if len(self.batches) > MAX_BATCHES:
            raise InputError(f"--batches: {len(self.batches)} are given; ATC takes {MAX_BATCHES}")


def atc_arguments(
    contract: Contract, options: AtcOptions, model: Path, aipp: Path, output: Path
) -> list[str]:
    """The command line of ATC.

    Static for one batch. For several, --dynamic_batch_size, which excludes dynamic_image_size,
    dynamic_dims and input_shape_range and goes with AIPP; --precision_mode_v2 excludes
    --precision_mode. So none of those is ever given.

    Args:
        model: ONNX file from `cut_normalisation`.
        aipp: file with `aipp_config`.
        output: path of the .om; ATC adds the suffix itself.
    """
    batches = sorted(options.batches)
    batch = batches[0] if len(batches) == 1 else -1
    several = ",".join(map(str, batches))
    return [
        "atc",
        "--framework=5",
        f"--model={model}",
        f"--output={output.with_suffix('')}",
        f"--soc_version={options.soc_version}",
        "--input_format=NCHW",
        f"--input_shape=image:{batch},3,{contract.size},{contract.size}",
        *([f"--dynamic_batch_size={several}"] if len(batches) > 1 else []),
        f"--insert_op_conf={aipp}",
        f"--precision_mode_v2={options.precision}",
        "--log=error",
    ]


def aipp_config(contract: Contract) -> str:
    """The contract's normalisation for AIPP, which turns uint8 NHWC into the network's input.

    AIPP computes (pixel - mean_chn - min_chn) * var_reci_chn; mean_chn is a whole number, so the mean
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
    """Removes what AIPP does instead: the new input is `image`, (N, 3, S, S) float32, normalised.

    Raises:
        InputError: a model that ATC does not read: of a newer opset, or with operators that this project
            does not write.
    """
    opset = max(entry.version for entry in model.opset_import)
    if opset > NEWEST_OPSET:
        raise InputError(
            f"model of opset {opset}: ATC reads up to {NEWEST_OPSET}; export it with export.to_onnx"
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
            f"operators {sorted(unknown)}: ATC may lack them; export with export.to_onnx"
        )
    for node in cut.graph.node:
        node.input[:] = ["image" if name == tensor else name for name in node.input]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ("N", 3, size, size))
    del cut.graph.input[:]
    cut.graph.input.append(image)
    onnx.checker.check_model(cut, full_check=True)
    return cut


def explain(log: str) -> str:
    """The first known code in ATC's output and its cure; the last line where none is known."""
    for code in re.findall(r"\bEZ?\d{4,5}\b", log):
        for cure, codes in CURES.items():
            if code in codes:
                return f"{code}: {cure}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
