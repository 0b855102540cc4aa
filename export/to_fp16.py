"""Converts an exported model to float16, for accelerators; most CPUs run it slower.

python -m export.to_fp16 model.onnx model-fp16.onnx
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from tyro.conf import Positional, arg

from export.onnx_file import read_onnx_file, record_precision, require_another_file, save_model
from export.verify import ParityError, load_samples, mask_iou
from inference.cli import run, say
from inference.files import replacing
from inference.runtime.integrity import OutputError
from inference.runtime.segmenter import Segmenter

MIN_IOU = 0.99  # of the masks of all samples together


def to_fp16(
    source: Annotated[Path, Positional, arg(name="onnx", metavar="ONNX")],
    target: Annotated[Path, Positional, arg(name="fp16", metavar="FP16")],
    images: Annotated[Path | None, arg(metavar="IMAGES")] = None,
) -> None:
    """Convert an exported model to float16; its input and output keep their types.

    The file is saved only after its masks have been verified against the float32 model's.

    Args:
        source: Float32 ONNX file that export.to_onnx wrote.
        target: Float16 file to write.
        images: Folder of images to compare on; default: synthetic lesions.
    """
    model, contract = read_onnx_file(source)
    require_another_file(target, source)
    samples = load_samples(images, contract.size)
    expected = Segmenter(source, provider="cpu")(samples)
    half = convert_to_float16(model)
    record_precision(half, contract, "float16")
    onnx.checker.check_model(half, full_check=True)
    with replacing(target) as temporary:
        save_model(half, temporary)
        try:
            found = Segmenter(temporary, provider="cpu")(samples)
        except OutputError as error:
            raise ParityError(
                f"float16 changes the masks ({error}); nothing was written"
            ) from error
        difference, iou = require_same_masks(expected, found, contract.threshold)
    say(
        f"{target}: masks agree to IoU {iou:.4f}, largest difference in probability {difference:.1e}, "
        f"{target.stat().st_size / 1e6:.1f} MB"
    )


def convert_to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts weights and arithmetic to float16, and sorts the nodes that this adds."""
    ordered = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    ordered.topological_sort()
    return ordered.model


def require_same_masks(
    expected: np.ndarray, found: np.ndarray, threshold: float
) -> tuple[float, float]:
    """The largest difference in probability, and the IoU of all masks together.

    Raises:
        ParityError: the masks differ by more than float16 should.
    """
    difference = float(np.abs(expected - found).max())
    iou = mask_iou(expected > threshold, found > threshold)
    # Beyond 65504 float16 overflows, which ends in NaN and in masks that vanish.
    if not (iou >= MIN_IOU and np.isfinite(difference)):
        raise ParityError(
            f"float16 changes the masks: IoU {iou:.4f} (must be at least {MIN_IOU}), probability by "
            f"{difference:.2g}; nothing was written"
        )
    return difference, iou


if __name__ == "__main__":
    run(to_fp16)
