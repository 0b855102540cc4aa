"""The benchmark's table: one row for each model, provider and batch size."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.files import replacing
from inference.markdown import tabulate


@dataclass
class BenchmarkRow:
    """What was measured; None if it was not, or could not be.

    Attributes:
        megabytes: size of the file, in 10**6 bytes.
        fps: images per second, from the median time of a batch.
        p90_ms: latency of a batch in milliseconds, 90th percentile.
        ratio: fps divided by that of the first row.
        dice, jaccard: means over images, as in `inference.scoring`.
        difference: largest difference of probability from the first row, on the same images.
        peak: arithmetic per second, counted in the network as trained, divided by that of a matrix
            product in the same run; above 1 if less arithmetic gives the same result.
        memory_mb: peak memory of a process that opens the model and runs it.
        error: why there are no figures, in one line.
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


COLUMNS: dict[str, Callable[[BenchmarkRow], str]] = {
    "model": lambda row: row.model,
    "provider": lambda row: row.provider,
    "batch": lambda row: str(row.batch),
    "MB": lambda row: format_number(row.megabytes, ".1f"),
    "images/s": lambda row: format_number(row.fps, ".2f"),
    "p90 ms": lambda row: format_number(row.p90_ms, ".1f"),
    "ratio": lambda row: format_number(row.ratio, ".2f"),
    "dice": lambda row: format_number(row.dice, ".4f"),
    "jaccard": lambda row: format_number(row.jaccard, ".4f"),
    "max difference": lambda row: format_number(row.difference, ".1e"),
    "of peak": lambda row: format_number(row.peak, ".2f"),
    "memory MB": lambda row: format_number(row.memory_mb, ".0f"),
}


def format_number(number: float | None, spec: str) -> str:
    return "" if number is None else format(number, spec)


def to_markdown(rows: Sequence[BenchmarkRow]) -> str:
    """The table in Markdown, without columns that are empty in all rows; errors are listed below."""
    cells = {name: [cell(row) for row in rows] for name, cell in COLUMNS.items()}
    filled = {name: column for name, column in cells.items() if any(column)}
    table = tabulate([*filled], [*zip(*filled.values())], words=2)
    errors = [f"\n{row.model} on {row.provider}: {row.error}" for row in rows if row.error]
    return "\n".join([table, *errors])


def write_csv(path: Path, rows: Sequence[BenchmarkRow]) -> None:
    """Writes all columns of all rows, atomically."""
    names = [field.name for field in dataclasses.fields(BenchmarkRow)]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(map(dataclasses.asdict, rows))
