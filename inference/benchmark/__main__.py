"""Measures model files against each other: one table of speed, accuracy and memory.

python -m inference.benchmark --model model.onnx model-int8.onnx
python -m inference.benchmark --model model.onnx --provider cpu openvino --batch 1 8 --images D --masks D
"""

from __future__ import annotations

import csv
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from inference.benchmark.comparison import Row, Subject, add_scores, compare
from inference.cli import run
from inference.errors import InputError
from inference.files import replacing
from inference.images.folders import find_images
from inference.images.pixels import read_resized
from inference.machine import processor, usable_cores
from inference.markdown import tabulate
from inference.masks.png import write_runs
from inference.masks.postprocess import find_lesion
from inference.models import SHIPPED, SHIPPED_INT8
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import Provider, require_threads
from inference.scoring.pairs import find_pairs

STAGED_IMAGES = 32


def benchmark(
    model: tuple[Path, ...] = (SHIPPED, SHIPPED_INT8),
    provider: tuple[Provider, ...] = ("auto",),
    batch: tuple[int, ...] = (1,),
    images: Path | None = None,
    masks: Path | None = None,
    rounds: int = 20,
    threads: int = 0,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    csv_file: Annotated[Path | None, tyro.conf.arg(name="csv")] = None,
) -> int:
    """Measure model files x providers x batches, and print one table, in Markdown.

    Runs are interleaved and warmed up; rates are medians. Exit code: 1 if a row failed.

    Args:
        model: Model files, those that ship if left out; the first row is what the others are compared
            with, and is named below the table.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann, auto.
        batch: Images computed at once.
        images: Folder of images to measure on, stage by stage too; noise if left out.
        masks: Folder of their true masks, for dice and jaccard.
        rounds: RunLengths of each row that count.
        threads: Cores to use; 0 is all of them.
        json_file: Where to write the rows as JSON.
        csv_file: Where to write the rows as CSV.
    """
    require_counts(rounds, threads)
    subjects, failed = open_subjects(model, provider, batch, threads)
    return report(subjects, failed, images, masks, rounds, threads, json_file, csv_file)


def require_counts(rounds: int, threads: int) -> None:
    """Raises InputError unless something is timed, and on a number of cores that there can be."""
    if rounds < 1:
        raise InputError(f"--rounds {rounds}: at least 1; leave it out")
    require_threads(threads)


def open_subjects(
    models: Sequence[Path], providers: Sequence[Provider], batches: Sequence[int], threads: int
) -> tuple[list[Subject], list[Row]]:
    """Opens every model with every provider; what does not open is a row with its error."""
    if min(batches, default=0) < 1 or not models or not providers:
        raise InputError("give at least one --model, one --provider and one --batch from 1")
    subjects, failed = [], []
    for path in models:
        for provider in providers:
            try:
                opened = Segmenter(path, threads, provider)
            except InputError as error:
                failed.append(Row(path.name, provider, batches[0], error=str(error)))
                continue
            size, megabytes = opened.contract.size, path.stat().st_size / 1e6
            gflop = float(opened.contract.provenance.get("gflop", 0))
            subjects += [
                Subject(path.name, opened.provider, batch, opened, size, megabytes, gflop, opened)
                for batch in batches
            ]
    return subjects, failed


def report(
    subjects: Sequence[Subject],
    failed: Sequence[Row],
    images: Path | None,
    masks: Path | None,
    rounds: int,
    threads: int,
    json_file: Path | None,
    csv_file: Path | None,
) -> int:
    """Measures the subjects, prints the table and writes the files; 1 if a row failed."""
    if masks and not images:
        raise InputError("--masks: needs --images, the folder that they belong to")
    threads = threads or usable_cores()
    paths = [path for path, _ in find_images([images])] if images else []
    pairs = find_pairs(images, masks) if images and masks else {}
    rows, peak = compare(subjects, paths, rounds, threads)
    if pairs:
        add_scores(rows, subjects, pairs, threads)
    rows += failed
    machine = f"{processor()}, {threads} threads, {peak:.0f} GFLOP/s in a product of matrices"
    opened = [subject.segmenter for subject in subjects if subject.segmenter]
    stages = time_stages(opened[0], paths[:STAGED_IMAGES]) if opened and paths else {}
    console = Console(highlight=False, soft_wrap=True)
    console.print(to_markdown(rows), markup=False)
    console.print(f"\n{machine}; medians of {rounds} interleaved runs", markup=False)
    if subjects:  # what was asked for first may not have opened
        first = f"{subjects[0].model} on {subjects[0].provider}, batch {subjects[0].batch}"
        console.print(f"compared with: {first}", markup=False)
    for stage, fps in stages.items():
        console.print(f"{stage}: {fps:.1f} images/s, one after another")
    if json_file:
        entries = {"machine": machine, "gemm_gflops": peak, "rounds": rounds, "stages": stages}
        entries["rows"] = [dataclasses.asdict(row) for row in rows]
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(entries, indent=2) + "\n")
    if csv_file:
        with replacing(csv_file) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Row)])
            writer.writeheader()
            writer.writerows(map(dataclasses.asdict, rows))
    return 1 if any(row.error for row in rows) else 0


def time_stages(segmenter: Segmenter, paths: Sequence[Path]) -> dict[str, float]:
    """Images a second of each stage alone, one image after another, in one thread but for infer."""
    seconds = {"decode": 0.0, "infer": 0.0, "write": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths):
            marks = [time.perf_counter()]
            image = read_resized(path, segmenter.contract.size)
            marks.append(time.perf_counter())
            (probability,) = segmenter(image.pixels[None])
            marks.append(time.perf_counter())
            lesion = find_lesion(probability, image.height, image.width, segmenter.contract)
            write_runs(Path(folder, f"{number}.png"), lesion)
            marks.append(time.perf_counter())
            for stage, duration in zip(seconds, np.diff(marks), strict=True):
                seconds[stage] += float(duration)
    return {stage: len(paths) / total for stage, total in seconds.items()}


COLUMNS: dict[str, Callable[[Row], str]] = {
    "model": lambda row: row.model,
    "provider": lambda row: row.provider,
    "batch": lambda row: str(row.batch),
    "MB": lambda row: show(row.megabytes, ".1f"),
    "images/s": lambda row: show(row.fps, ".2f"),
    "p90 ms": lambda row: show(row.p90_ms, ".1f"),
    "ratio": lambda row: show(row.ratio, ".2f"),
    "dice": lambda row: show(row.dice, ".4f"),
    "jaccard": lambda row: show(row.jaccard, ".4f"),
    "max difference": lambda row: show(row.difference, ".1e"),
    "of peak": lambda row: show(row.peak, ".2f"),
    "memory MB": lambda row: show(row.memory_mb, ".0f"),
}


def show(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def to_markdown(rows: Sequence[Row]) -> str:
    """The table; columns that no row fills are left out, errors stand below it."""
    cells = {name: [cell(row) for row in rows] for name, cell in COLUMNS.items()}
    kept = {name: column for name, column in cells.items() if any(column)}
    table = tabulate([*kept], [*zip(*kept.values())], words=2)
    errors = [f"\n{row.model} on {row.provider}: {row.error}" for row in rows if row.error]
    return "\n".join([table, *errors])


if __name__ == "__main__":
    run(benchmark)
