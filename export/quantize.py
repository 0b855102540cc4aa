"""Static INT8 quantisation, as onnxruntime and OpenVINO both read it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from export.onnx_file import record_precision
from inference.contract import Contract


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """Hands the samples to onnxruntime one by one."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"image": sample[None]}


def quantize(model: onnx.ModelProto, contract: Contract, samples: np.ndarray, target: Path) -> None:
    """Writes the model with QuantizeLinear and DequantizeLinear around what runs in INT8.

    Activations are uint8, weights int8 per output channel; ranges are the least and largest values on
    the samples (N, S, S, 3).
    """
    with quiet_logging():
        quantize_static(
            model,
            target,
            Calibration(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=float_nodes(model),
        )
    quantized = onnx.load(target)
    share_scales(quantized)
    record_precision(quantized, contract, "int8")
    onnx.checker.check_model(quantized, full_check=True)
    onnx.save(quantized, target)


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that stay in float: the normalisation, and all from the last convolution on."""
    nodes = list(model.graph.node)
    convs = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    return [node.name for node in (*nodes[: convs[0]], *nodes[convs[-1] :])]


def share_scales(model: onnx.ModelProto) -> None:
    """Gives what DepthToSpace rearranges one scale, in place.

    The four phases come from four convolutions, each with a range of its own. Their concatenation has
    the range of all, and OpenVINO reads no DepthToSpace of channels whose scales differ.
    """
    writers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type != "DepthToSpace":
            continue
        dequantise = writers[node.input[0]]
        if dequantise.op_type != "DequantizeLinear":  # of logits, which stay in float
            continue
        concat = writers[writers[dequantise.input[0]].input[0]]
        for name in concat.input:
            of_phase = writers[name]
            for pair in (of_phase, writers[of_phase.input[0]]):
                pair.input[1:] = dequantise.input[1:]


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Holds back onnxruntime's advice to optimise the graph first, which export.graph has done."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
