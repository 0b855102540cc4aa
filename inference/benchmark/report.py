"""A benchmark from subjects to what is printed and written, for `inference.benchmark` and others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.benchmark.comparison import add_scores, compare_subjects
from inference.benchmark.stages import time_stages
from inference.benchmark.subjects import Subject
from inference.benchmark.table import BenchmarkRow, to_markdown, write_csv
from inference.cli import say
from inference.errors import InputError
from inference.files import write_json
from inference.images.folders import find_images
from inference.images.mask_levels import MaskLevels
from inference.machine import choose_threads, processor
from inference.scoring.pairs import find_pairs


@dataclass(frozen=True)
class Benchmark:
    """What was measured.

    Attributes:
        machine: processor, threads and its rate in the matrix product, as text.
        gemm_gflops: GFLOP per second in the matrix product.
        rounds: timed runs of each row.
        reference: what ratios and differences refer to; empty if nothing could be opened.
        stages: images per second of each stage of segmenting a file; empty without images.
    """

    machine: str
    gemm_gflops: float
    rounds: int
    reference: str
    stages: dict[str, float]
    rows: list[BenchmarkRow]


def run_benchmark(
    subjects: Sequence[Subject],
    failed: Sequence[BenchmarkRow],
    images: Path | None,
    masks: Path | None,
    rounds: int,
    threads: int,
    mask_levels: MaskLevels | None = None,
) -> Benchmark:
    """Measures the subjects, and scores them if there are masks.

    Args:
        failed: rows of what could not be opened, which come last.
        images, masks: folders; noise is measured on without images.
        threads: 0 for all cores.
    """
    if masks and not images:
        raise InputError("--masks: needs --images, the folder of the images; add it")
    threads = choose_threads(threads)
    paths = [path for path, _ in find_images([images])] if images else []
    pairs = find_pairs(images, masks) if images and masks else {}
    rows, peak = compare_subjects(subjects, paths, rounds, threads)
    if pairs:
        add_scores(rows, subjects, pairs, threads, mask_levels)
    machine = f"{processor()}, {threads} threads, {peak:.0f} GFLOP/s in a product of matrices"
    reference = subjects[0].describe() if subjects else ""
    models = [subject.segmenter for subject in subjects if subject.segmenter]
    stages = time_stages(models[0], paths) if models and paths else {}
    return Benchmark(machine, peak, rounds, reference, stages, [*rows, *failed])


def report(found: Benchmark, json_file: Path | None, csv_file: Path | None) -> int:
    """Prints the table and writes the files; returns the exit code: 1 if a row failed."""
    say(to_markdown(found.rows))
    say(f"\n{found.machine}; medians of {found.rounds} interleaved runs")
    if found.reference:
        say(f"compared with: {found.reference}")
    for stage, fps in found.stages.items():
        say(f"{stage}: {fps:.1f} images/s, one after another")
    if json_file:
        write_json(json_file, dataclasses.asdict(found), indent=2)
    if csv_file:
        write_csv(csv_file, found.rows)
    return 1 if any(row.error for row in found.rows) else 0
