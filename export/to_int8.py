"""Quantizes an exported model to INT8 and measures what that costs and brings.

python -m export.to_int8 model.onnx model-int8.onnx --images data/valid --masks data/valid_GT
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from export.int8_evaluation import Int8Evaluation, evaluate_int8, name_models
from export.onnx_file import add_metadata, read_onnx_file, require_another_file
from export.quantize import load_calibration, quantize
from inference.benchmark.comparison import require_counts
from inference.benchmark.table import to_markdown
from inference.cli import MaskLevelsOption, Threads, run, say
from inference.errors import InputError
from inference.files import replacing
from inference.machine import usable_cores
from inference.scoring.pairs import find_pairs, index_images

NOT_RECOMMENDED = 3
MEASUREMENTS_KEY = "measurements"


def to_int8(
    source: Annotated[Path, Positional, arg(name="onnx", metavar="ONNX")],
    target: Annotated[Path, Positional, arg(name="int8", metavar="INT8")],
    images: Annotated[Path, arg(metavar="IMAGES")],
    masks: Annotated[Path | None, arg(metavar="MASKS", help_behavior_hint="(optional)")] = None,
    calibration: Annotated[int, arg(metavar="N")] = 32,
    rounds: Annotated[int, arg(metavar="N")] = 10,
    threads: Threads = 0,
    mask_levels: MaskLevelsOption = None,
) -> int:
    """Quantize an exported model: static, per channel, for onnxruntime and OpenVINO.

    The result is compared with the float32 model in every runtime installed here. Exit code: 3, "not
    recommended", if its best speed is lower, it loses more than 0.005 dice, or it fails in a runtime that
    runs the float32 model. The file is written anyway, and contains its contract and the measurements.

    Args:
        source: Float32 ONNX file that export.to_onnx wrote.
        target: INT8 file to write.
        images: Folder of representative images, to calibrate and measure on.
        masks: Folder of their true masks; without it, masks are compared with the float32 model's.
        calibration: Images to calibrate on, spread evenly over the folder.
        rounds: Timed runs of each model.
    """
    if calibration < 1:
        raise InputError(f"--calibration {calibration}: must be at least 1; omit it")
    require_counts(rounds, threads)
    model, contract = read_onnx_file(source)
    require_another_file(target, source)
    paths, pairs = list(index_images(images).values()), find_pairs(images, masks) if masks else {}
    samples = load_calibration(paths, calibration, contract.size)
    threads = threads or usable_cores()
    with replacing(target) as temporary:
        quantize(model, contract, samples, temporary)
        evaluation = evaluate_int8(
            source, temporary, paths, pairs, samples, rounds, threads, mask_levels
        )
        name_models(evaluation, source, temporary, target)
        measurements = summarise_measurements(evaluation, threads, len(samples))
        add_metadata(temporary, MEASUREMENTS_KEY, json.dumps(measurements))
    report(evaluation, target)
    return NOT_RECOMMENDED if evaluation.objections else 0


def summarise_measurements(
    evaluation: Int8Evaluation, threads: int, calibration: int
) -> dict[str, object]:
    """What is kept in the INT8 file of how it was measured."""
    return {
        "rows": [dataclasses.asdict(row) for row in evaluation.rows],
        "mask_iou": evaluation.mask_iou,
        "threads": threads,
        "calibration": calibration,
        "recommended": not evaluation.objections,
    }


def report(evaluation: Int8Evaluation, target: Path) -> None:
    """Prints the table, and what speaks against the INT8 model."""
    say(to_markdown(evaluation.rows))
    iou = evaluation.mask_iou
    agreement = "were not compared" if iou is None else f"agree to IoU {iou:.4f}"
    say(f"\n{target}: its masks and the float model's {agreement}")
    if evaluation.objections:
        say(f"not recommended: {'; '.join(evaluation.objections)}")


if __name__ == "__main__":
    run(to_int8)
