"""Turns an exported model into float16, for accelerators; CPUs mostly run it slower.

python -m export.to_fp16 model.onnx model-fp16.onnx
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import tyro
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from rich.console import Console

from export.onnx_file import read_onnx_file, record_precision, require_another_file
from export.verify import ParityError, load_samples, mask_iou
from inference.cli import run
from inference.files import replacing
from inference.runtime.segmenter import Segmenter

MIN_IOU = 0.99  # of the masks of all samples together


def to_fp16(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="onnx")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="fp16")],
    images: Path | None = None,
) -> None:
    """Convert an exported model to float16; input and output stay as they are.

    The file appears only after its masks were compared with the float32 model's.

    Args:
        source: ONNX file of export.to_onnx, in float32.
        target: The float16 file to write.
        images: Folder of images to compare on; made-up lesions if left out.
    """
    model, contract = read_onnx_file(source)
    require_another_file(target, source)
    samples = load_samples(images, contract.size)
    expected = Segmenter(source, provider="cpu")(samples)
    half = convert_to_float16(model)
    record_precision(half, contract, "float16")
    onnx.checker.check_model(half, full_check=True)
    with replacing(target) as temporary:
        onnx.save(half, temporary)
        found = Segmenter(temporary, provider="cpu")(samples)
        difference = float(np.abs(expected - found).max())
        iou = mask_iou(expected > contract.threshold, found > contract.threshold)
        # Beyond 65504 float16 overflows, which ends as NaN and as masks that vanish.
        if not (iou >= MIN_IOU and np.isfinite(difference)):
            raise ParityError(
                f"float16 changes the masks: IoU {iou:.4f} (must be at least {MIN_IOU}), probability "
                f"by {difference:.2g}; nothing written"
            )
    Console(highlight=False, soft_wrap=True).print(
        f"{target}: masks agree to IoU {iou:.4f}, largest difference of probability {difference:.1e}, "
        f"{target.stat().st_size / 1e6:.1f} MB",
        markup=False,
    )


def convert_to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic to float16; nodes that it adds for the rest are put in order."""
    ordered = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    ordered.topological_sort()
    return ordered.model


if __name__ == "__main__":
    run(to_fp16)
