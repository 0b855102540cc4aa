"""Static INT8 quantization that both onnxruntime and OpenVINO read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from export.onnx_file import drop_unused_tensors, record_precision, save_model
from inference.contract import Contract
from inference.images.pixels import read_resized


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """Feeds the samples to onnxruntime one by one."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"image": sample[None]}


def quantize(model: onnx.ModelProto, contract: Contract, samples: np.ndarray, target: Path) -> None:
    """Writes the model in INT8: QuantizeLinear and DequantizeLinear (QDQ) around what runs in it.

    Activations are uint8, with the range from the smallest to the largest value on the samples; weights
    are int8, with a scale per output channel.

    Args:
        samples: (N, S, S, 3) uint8 RGB, to calibrate on.
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
    drop_unused_tensors(quantized)
    record_precision(quantized, contract, "int8")
    onnx.checker.check_model(quantized, full_check=True)
    save_model(quantized, target)


def load_calibration(paths: Sequence[Path], count: int, size: int) -> np.ndarray:
    """Images to calibrate on, spread evenly over the files: (up to count, size, size, 3) uint8 RGB."""
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return np.stack([read_resized(paths[number], size).pixels for number in chosen])


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that stay in float32: the normalization, and the last convolution and on."""
    nodes = list(model.graph.node)
    convs = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    return [node.name for node in (*nodes[: convs[0]], *nodes[convs[-1] :])]


def share_scales(model: onnx.ModelProto) -> None:
    """Gives all channels that a DepthToSpace rearranges one scale, in place.

    The four phases come from four convolutions, each calibrated on its own; OpenVINO does not read a
    DepthToSpace of channels whose scales differ. Their concatenation has the range of all four, so they
    take its scale; their own are left unused.
    """
    writers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type != "DepthToSpace":
            continue
        dequantize = writers[node.input[0]]
        if dequantize.op_type != "DequantizeLinear":  # of logits, which stay in float32
            continue
        concat = writers[writers[dequantize.input[0]].input[0]]
        for name in concat.input:
            of_phase = writers[name]
            for pair in (of_phase, writers[of_phase.input[0]]):
                pair.input[1:] = dequantize.input[1:]


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Silences onnxruntime's advice to optimize the graph first, which export.graph has done."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
