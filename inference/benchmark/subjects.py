"""What a benchmark measures: a computation and what is known about it beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.benchmark.table import BenchmarkRow
from inference.errors import InputError
from inference.runtime.providers import Provider
from inference.runtime.segmenter import Segmenter


@dataclass(frozen=True)
class Subject:
    """A computation to measure: one row of the table.

    Attributes:
        compute: (batch, S, S, 3) uint8 -> (batch, S, S) probability.
        size: S.
        megabytes: size of the file, in 10**6 bytes.
        gflop: arithmetic per image in the network as trained, in GFLOP; 0 if unknown.
        segmenter: the open model, if it is one.
    """

    model: str
    provider: str
    batch: int
    compute: Callable[[np.ndarray], np.ndarray]
    size: int
    megabytes: float
    gflop: float = 0
    segmenter: Segmenter | None = None

    def describe(self) -> str:
        return f"{self.model} on {self.provider}, batch {self.batch}"


def open_subjects(
    models: Sequence[Path], providers: Sequence[Provider], batches: Sequence[int], threads: int
) -> tuple[list[Subject], list[BenchmarkRow]]:
    """Opens every model with every provider.

    Returns:
        A subject for each batch size, and a row with the error for each model that did not open.

    Raises:
        InputError: there is nothing to measure.
    """
    if min(batches, default=0) < 1 or not models or not providers:
        raise InputError("give at least one --model, one --provider and one --batch of 1 or more")
    subjects, failed = [], []
    for path in models:
        for provider in providers:
            try:
                opened = Segmenter(path, threads, provider)
            except InputError as error:
                failed.append(BenchmarkRow(path.name, provider, batches[0], error=str(error)))
                continue
            size, megabytes = opened.contract.size, path.stat().st_size / 1e6
            gflop = float(opened.contract.provenance.get("gflop", 0))
            subjects += [
                Subject(path.name, opened.provider, batch, opened, size, megabytes, gflop, opened)
                for batch in batches
            ]
    return subjects, failed
