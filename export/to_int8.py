"""Quantizes an exported model to INT8 and measures what that costs and brings.

python -m export.to_int8 model.onnx model-int8.onnx --images data/valid --masks data/valid_GT
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import tyro
from rich.console import Console

from export.onnx_file import read_onnx_file, require_another_file
from export.quantize import quantize
from export.verify import mask_iou
from inference.benchmark.comparison import add_scores, compare_subjects, require_counts
from inference.benchmark.subjects import Subject, open_subjects
from inference.benchmark.table import BenchmarkRow, to_markdown
from inference.cli import run
from inference.errors import InputError
from inference.files import replacing
from inference.images.pixels import read_resized
from inference.machine import usable_cores
from inference.runtime.session import installed_providers
from inference.scoring.pairs import find_pairs, index_images

MAX_LOSS = 0.005  # of dice against the masks
MIN_IOU = 0.99  # with the float model's masks, where there are no true ones: dice 0.995
NOT_RECOMMENDED = 3
MEASUREMENTS_KEY = "measurements"


def to_int8(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="onnx")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="int8")],
    images: Path,
    masks: Path | None = None,
    calibration: int = 32,
    rounds: int = 10,
    threads: int = 0,
) -> int:
    """Quantize an exported model: static, per channel, as onnxruntime and OpenVINO both read it.

    The result is measured against the float model in every runtime installed here. Exit code: 3, "not
    recommended", if its best rate is below the float model's best, if it loses more than 0.005 of dice,
    or if it fails in a runtime that runs the float model; it is written all the same, with its contract
    and the measurements inside.

    Args:
        source: ONNX file of export.to_onnx.
        target: The INT8 file to write.
        images: Folder of images like those in use: to calibrate and to measure on.
        masks: Folder of their true masks; without it the masks are compared with the float model's.
        calibration: Images to calibrate on, taken evenly from the folder.
        rounds: Timed runs of each model.
        threads: Cores to use; 0 is all of them.
    """
    if calibration < 1:
        raise InputError(f"--calibration {calibration}: must be at least 1; leave it out")
    require_counts(rounds, threads)
    model, contract = read_onnx_file(source)
    require_another_file(target, source)
    pairs = find_pairs(images, masks) if masks else {}
    paths = list(index_images(images).values())
    samples = read_evenly(paths, calibration, contract.size)
    threads = threads or usable_cores()
    with replacing(target) as temporary:
        quantize(model, contract, samples, temporary)
        providers = installed_providers()
        before, not_before = open_subjects([source], providers, (1,), threads)
        after, not_after = open_subjects([temporary], providers, (1,), threads)
        rows, _ = compare_subjects([*before, *after], paths, rounds, threads)
        if pairs:
            add_scores(rows, [*before, *after], pairs, threads)
        float_rows = [*rows[: len(before)], *not_before]
        int8_rows = [*rows[len(before) :], *not_after]
        same_name = source.name == target.name  # in different folders
        for row in float_rows:
            row.model = str(source) if same_name else source.name
        for row in int8_rows:
            row.model = str(target) if same_name else target.name
            row.error = row.error.replace(str(temporary), str(target))
        shared = find_shared(float_rows, int8_rows)
        iou = compare_masks(before, after, shared[0], samples) if shared else None
        objections = object_to(float_rows, int8_rows, iou)
        measurements = {
            "rows": [dataclasses.asdict(row) for row in (*float_rows, *int8_rows)],
            "mask_iou": iou,
            "threads": threads,
            "calibration": len(samples),
            "recommended": not objections,
        }
        stamp(temporary, MEASUREMENTS_KEY, json.dumps(measurements))
    console = Console(highlight=False, soft_wrap=True)
    console.print(to_markdown([*float_rows, *int8_rows]), markup=False)
    agreement = "are not compared" if iou is None else f"agree to IoU {iou:.4f}"
    console.print(f"\n{target}: its masks and the float model's {agreement}", markup=False)
    if objections:
        console.print(f"not recommended: {'; '.join(objections)}", markup=False)
    return NOT_RECOMMENDED if objections else 0


def read_evenly(paths: Sequence[Path], count: int, size: int) -> np.ndarray:
    """Images spread over a list of files: (up to count, size, size, 3) uint8."""
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return np.stack([read_resized(paths[number], size).pixels for number in chosen])


def find_shared(before: Sequence[BenchmarkRow], after: Sequence[BenchmarkRow]) -> list[str]:
    """The runtimes that run both models."""
    working = {row.provider for row in after if not row.error}
    return [row.provider for row in before if not row.error and row.provider in working]


def compare_masks(
    before: Sequence[Subject], after: Sequence[Subject], provider: str, samples: np.ndarray
) -> float:
    """IoU of the masks of the float and the INT8 model, both in one runtime."""
    pair = [
        next(subject for subject in subjects if subject.provider == provider)
        for subjects in (before, after)
    ]
    assert pair[0].segmenter is not None
    threshold = pair[0].segmenter.contract.threshold
    expected, found = (
        np.concatenate([subject.compute(sample[None]) for sample in samples]) for subject in pair
    )
    return mask_iou(expected > threshold, found > threshold)


def object_to(
    before: Sequence[BenchmarkRow], after: Sequence[BenchmarkRow], iou: float | None
) -> list[str]:
    """What speaks against the INT8 model; nothing if it is as fast and as good.

    A runtime that runs neither model (its device is missing) says nothing against either.

    Args:
        before: the float model's row of every runtime.
        after: the INT8 model's.
        iou: of their masks; None if it could not be measured.
    """
    runs_float = {row.provider for row in before if not row.error}
    objections = [
        f"fails on {row.provider} ({row.error})"
        for row in after
        if row.error and row.provider in runs_float
    ]
    if iou is None:
        return [*objections, "no runtime here runs both models"]
    fastest, quantized = (
        max((row for row in rows if row.fps), key=lambda row: row.fps or 0)
        for rows in (before, after)
    )
    ratio = (quantized.fps or 0) / (fastest.fps or 1)
    if ratio < 1:
        objections.append(f"it runs at {ratio:.2f} of the float model's rate")
    if fastest.dice is not None and quantized.dice is not None:
        lost = fastest.dice - quantized.dice
        if not lost <= MAX_LOSS:
            objections.append(f"it loses {lost:.4f} of dice, more than {MAX_LOSS}")
    elif not iou >= MIN_IOU:
        objections.append(f"its masks agree to IoU {iou:.4f}, less than {MIN_IOU}")
    return objections


def stamp(path: Path, key: str, value: str) -> None:
    """Adds an entry to the metadata of an ONNX file."""
    model = onnx.load(path)
    model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


if __name__ == "__main__":
    run(to_int8)
