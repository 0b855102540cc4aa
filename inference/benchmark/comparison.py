"""Subjects measured side by side on the same images: the rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inference.benchmark.memory import probe_memory
from inference.benchmark.subjects import Subject
from inference.benchmark.table import BenchmarkRow
from inference.benchmark.timing import matrix_product, time_interleaved
from inference.errors import InputError
from inference.images.mask_levels import MaskLevels
from inference.images.pixels import read_resized
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import require_threads
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs


def require_counts(rounds: int, threads: int) -> None:
    """Raises InputError for a number of rounds or threads that cannot be measured."""
    if rounds < 1:
        raise InputError(f"--rounds {rounds}: must be at least 1; leave it out")
    require_threads(threads)


def compare_subjects(
    subjects: Sequence[Subject], images: Sequence[Path], rounds: int, threads: int
) -> tuple[list[BenchmarkRow], float]:
    """Measures the subjects, interleaved with a matrix product.

    Args:
        images: files to measure on; noise if there are none.

    Returns:
        A row for each subject, and the machine's GFLOP per second in the product.
    """
    batches = {
        (subject.size, subject.batch): load_batch(images, subject.size, subject.batch)
        for subject in subjects
    }
    product, product_gflop = matrix_product(threads)
    computations: dict[int, Callable[[], object]] = {
        number: partial(subject.compute, batches[subject.size, subject.batch])
        for number, subject in enumerate(subjects)
    }
    results = time_interleaved({**computations, -1: product}, rounds)
    peak = product_gflop / float(np.median(np.asarray(results.pop(-1), dtype=float)))
    rows: list[BenchmarkRow] = []
    for number, subject in enumerate(subjects):
        times = results[number]
        row = BenchmarkRow(subject.model, subject.provider, subject.batch, subject.megabytes)
        rows.append(row)
        if isinstance(times, Exception):
            row.error = " ".join(str(times).split())
            continue
        row.fps = subject.batch / float(np.median(times))
        row.p90_ms = 1000 * float(np.percentile(times, 90))
        row.ratio = row.fps / rows[0].fps if rows[0].fps else None
        row.peak = row.fps * subject.gflop / peak if subject.gflop else None
        if subject.size == subjects[0].size and not rows[0].error:
            row.difference = find_difference(
                subjects[0], subject, batches[subject.size, subject.batch]
            )
        if subject.segmenter:
            row.memory_mb = probe_memory(subject.segmenter, subject.batch, threads)
    return rows, peak


def find_difference(first: Subject, other: Subject, images: np.ndarray) -> float:
    """Largest difference of probability between two subjects of the same size.

    Args:
        images: a batch for `other`; `first` may take another batch size, then what both have counts.
    """
    expected = first.compute(np.resize(images, (first.batch, *images.shape[1:])))
    shared = min(first.batch, other.batch)
    return float(np.abs(other.compute(images)[:shared] - expected[:shared]).max())


def load_batch(images: Sequence[Path], size: int, batch: int) -> np.ndarray:
    """The first images of a list, repeated if there are too few: (batch, size, size, 3) uint8."""
    if not images:
        return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    chosen = (images[number % len(images)] for number in range(batch))
    return np.stack([read_resized(path, size).pixels for path in chosen])


def add_scores(
    rows: Sequence[BenchmarkRow],
    subjects: Sequence[Subject],
    pairs: Pairs,
    threads: int,
    mask_levels: MaskLevels | None = None,
) -> None:
    """Scores every model once, whatever its batch sizes, and fills in its rows."""
    scored: dict[Segmenter, dict[str, Any]] = {}
    for row, subject in zip(rows, subjects, strict=True):
        model = subject.segmenter
        if model is None or row.error:
            continue
        if model not in scored:
            scored[model] = score_model(model, pairs, threads, mask_levels)
        row.dice, row.jaccard = scored[model]["dice"], scored[model]["jaccard"]
