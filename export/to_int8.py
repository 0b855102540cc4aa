"""Quantises an exported model to INT8 and measures what that costs and brings.

python -m export.to_int8 model.onnx model-int8.onnx --images data/valid --masks data/valid_GT
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import tyro
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from rich.console import Console

from export.to_onnx import read_portable_model
from export.verify import mask_iou
from inference.benchmark import open_subjects, to_markdown
from inference.command import InputError, run
from inference.comparison import Row, Subject, add_scores, compare
from inference.evaluate import require_same_names
from inference.files import index_images, index_masks, replacing
from inference.pixels import read_image, resize
from inference.session import installed_providers

MOST_LOSS = 0.005  # of dice against the masks
LEAST_IOU = 0.99  # with the float model's masks, where there are no true ones: dice 0.995
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
    """Quantise an exported model: static, per channel, as onnxruntime and OpenVINO both read it.

    The result is measured against the float model in every runtime installed here. Exit code: 3, "not
    recommended", if it is slower in all of them or loses more than 0.005 of dice; it is written all the
    same, with its contract and the measurements inside.

    Args:
        source: ONNX file of export.to_onnx.
        target: The INT8 file to write.
        images: Folder of images like those in use: to calibrate and to measure on.
        masks: Folder of their true masks; without it the masks are compared with the float model's.
        calibration: Images to calibrate on, taken evenly from the folder.
        rounds: Timed runs of each model.
        threads: Cores to use; 0 is all of them.
    """
    if target.suffix != ".onnx" or target == source:
        raise InputError(f"{target}: must end in .onnx and not be the source; change the name")
    if calibration < 1:
        raise InputError(f"--calibration {calibration}: must be at least 1; leave it out")
    model, contract = read_portable_model(source)
    names, truths = index_images(images), index_masks(masks) if masks else {}
    paths = list(names.values())
    if masks:
        require_same_names(names, truths, images, masks)
    samples = read_evenly(paths, calibration, contract.size)
    threads = threads or os.cpu_count() or 1
    with replacing(target) as temporary:
        quantise(model, samples, temporary)
        subjects, _ = open_subjects([source, temporary], installed_providers(), (1,), threads)
        subjects = [
            dataclasses.replace(subject, model=target.name)
            if subject.model == temporary.name
            else subject
            for subject in subjects
        ]
        rows, _ = compare(subjects, paths, rounds, threads)
        if truths:
            add_scores(rows, subjects, names, truths, threads)
        iou = compare_masks(subjects, target.name, samples)
        objections = object_to(rows, target.name, iou)
        measurements = {
            "rows": [dataclasses.asdict(row) for row in rows],
            "mask_iou": iou,
            "threads": threads,
            "calibration": len(samples),
            "recommended": not objections,
        }
        stamp(temporary, MEASUREMENTS_KEY, json.dumps(measurements))
    console = Console(highlight=False, soft_wrap=True)
    console.print(to_markdown(rows), markup=False)
    console.print(f"\n{target}: masks agree with the float model's to IoU {iou:.4f}", markup=False)
    if objections:
        console.print(f"not recommended: {'; '.join(objections)}", markup=False)
    return NOT_RECOMMENDED if objections else 0


def read_evenly(paths: Sequence[Path], count: int, size: int) -> np.ndarray:
    """Images spread over a list of files: (up to count, size, size, 3) uint8."""
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return np.stack([resize(read_image(paths[number]), size) for number in chosen])


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """Hands the samples to onnxruntime one by one."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"image": sample[None]}


def quantise(model: onnx.ModelProto, samples: np.ndarray, target: Path) -> None:
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
    quantised = onnx.load(target)
    share_scales(quantised)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(model.metadata_props)
    onnx.checker.check_model(quantised, full_check=True)
    onnx.save(quantised, target)


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


def compare_masks(subjects: Sequence[Subject], quantised: str, samples: np.ndarray) -> float:
    """IoU of the masks of the float and the INT8 model, in the first runtime that opened both."""
    first = subjects[0]
    assert first.segmenter is not None
    threshold = first.segmenter.contract.threshold
    other = next(subject for subject in subjects if subject.model == quantised)
    maps = [
        np.concatenate([subject.compute(sample[None]) for sample in samples])
        for subject in (first, other)
    ]
    return mask_iou(maps[0] > threshold, maps[1] > threshold)


def object_to(rows: Sequence[Row], quantised: str, iou: float) -> list[str]:
    """What speaks against the INT8 model; nothing if it is faster and as good."""
    objections = [f"fails on {row.provider} ({row.error})" for row in rows if row.error]
    before, after = (
        max((row for row in rows if (row.model == quantised) is kind), key=lambda row: row.fps or 0)
        for kind in (False, True)
    )
    ratio = (after.fps or 0) / (before.fps or 1)
    if ratio < 1:
        objections.append(f"it runs at {ratio:.2f} of the float model's rate")
    if before.dice is not None and after.dice is not None:
        lost = before.dice - after.dice
        if not lost <= MOST_LOSS:
            objections.append(f"it loses {lost:.4f} of dice, more than {MOST_LOSS}")
    elif not iou >= LEAST_IOU:
        objections.append(f"its masks agree to IoU {iou:.4f}, less than {LEAST_IOU}")
    return objections


def stamp(path: Path, key: str, value: str) -> None:
    """Adds an entry to the metadata of an ONNX file."""
    model = onnx.load(path)
    model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


if __name__ == "__main__":
    run(to_int8)
