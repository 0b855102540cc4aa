"""Models side by side on the same images: the rows of the benchmark's table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inference.benchmark.timing import matrix_product, measure
from inference.images.pixels import read_resized
from inference.runtime.segmenter import Segmenter
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs

# The peak is asked of the system for a process of its own, which opens the model and runs it once.
MEMORY_PROBE = """
import sys
from pathlib import Path
import numpy as np
from inference.runtime.segmenter import Segmenter
path, threads, provider, batch = sys.argv[1:]
segmenter = Segmenter(Path(path), int(threads), provider)
size = segmenter.contract.size
segmenter(np.zeros((int(batch), size, size, 3), np.uint8))
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@dataclass(frozen=True)
class Subject:
    """One row to be: a computation, and what is known of it beforehand.

    Attributes:
        compute: (batch, S, S, 3) uint8 -> (batch, S, S) probability.
        size: S.
        gflop: arithmetic of an image in the network as trained, in GFLOP; 0 if unknown.
        segmenter: the open model, where it is one.
    """

    model: str
    provider: str
    batch: int
    compute: Callable[[np.ndarray], np.ndarray]
    size: int
    megabytes: float
    gflop: float = 0
    segmenter: Segmenter | None = None


@dataclass
class Row:
    """A row of the table; None is what was not or could not be measured.

    Attributes:
        fps: images a second, by the median of the runs.
        p90_ms: latency of a batch that 9 of 10 runs stay below.
        ratio: fps by that of the first row.
        difference: largest difference of probability from the first row, on the same images.
        peak: arithmetic a second, counted in the network as trained, by that of a matrix product in the
            same run; above 1 where less arithmetic gives the same result.
        memory_mb: peak of a process that opens the model and runs it.
    """

    model: str
    provider: str
    batch: int
    megabytes: float | None = None
    fps: float | None = None
    p90_ms: float | None = None
    ratio: float | None = None
    dice: float | None = None
    jaccard: float | None = None
    difference: float | None = None
    peak: float | None = None
    memory_mb: float | None = None
    error: str = ""


def compare(
    subjects: Sequence[Subject], images: Sequence[Path], rounds: int, threads: int
) -> tuple[list[Row], float]:
    """Measures the subjects, interleaved with a product of matrices.

    Args:
        images: files to measure on; noise if there are none.

    Returns:
        A row for each subject, and the machine's GFLOP a second in the product.
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
    results = measure({**computations, -1: product}, rounds)
    peak = product_gflop / float(np.median(np.asarray(results.pop(-1), dtype=float)))
    rows = []
    for number, subject in enumerate(subjects):
        times = results[number]
        row = Row(subject.model, subject.provider, subject.batch, subject.megabytes)
        rows.append(row)
        if isinstance(times, Exception):
            row.error = " ".join(str(times).split())
            continue
        row.fps = subject.batch / float(np.median(times))
        row.p90_ms = 1000 * float(np.percentile(times, 90))
        row.ratio = row.fps / rows[0].fps if rows[0].fps else None
        row.peak = row.fps * subject.gflop / peak if subject.gflop else None
        if subject.size == subjects[0].size and not rows[0].error:
            image = batches[subject.size, subject.batch]
            # The first row may be of another batch size; what both have computed is compared.
            expected = subjects[0].compute(np.resize(image, (subjects[0].batch, *image.shape[1:])))
            shared = min(subject.batch, subjects[0].batch)
            found = subject.compute(image)
            row.difference = float(np.abs(found[:shared] - expected[:shared]).max())
        if subject.segmenter:
            row.memory_mb = measure_memory(subject.segmenter, subject.batch, threads)
    return rows, peak


def load_batch(images: Sequence[Path], size: int, batch: int) -> np.ndarray:
    """The first images of a list, gone through again if it is short: (batch, size, size, 3) uint8."""
    if not images:
        return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    chosen = (images[number % len(images)] for number in range(batch))
    return np.stack([read_resized(path, size).pixels for path in chosen])


def add_scores(
    rows: Sequence[Row], subjects: Sequence[Subject], pairs: Pairs, threads: int
) -> None:
    """Scores every model once against the masks, whatever its batches, and fills its rows."""
    known: dict[Segmenter, dict[str, Any]] = {}
    for row, subject in zip(rows, subjects, strict=True):
        model = subject.segmenter
        if model is None or row.error:
            continue
        if model not in known:
            known[model] = score_model(model, pairs, threads)
        row.dice, row.jaccard = known[model]["dice"], known[model]["jaccard"]


def measure_memory(segmenter: Segmenter, batch: int, threads: int) -> float | None:
    """Peak memory in MB of a process that runs one batch; None where the system does not tell."""
    if not Path("/proc/self/status").is_file():
        return None
    arguments = (str(segmenter.path), str(threads), segmenter.provider, str(batch))
    command = [sys.executable, "-c", MEMORY_PROBE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return int(done.stdout) / 1024 if done.returncode == 0 else None
