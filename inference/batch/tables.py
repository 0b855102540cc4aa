"""The tables of a run: masks.csv, errors.csv, measures.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from inference.batch.overview import Overview
from inference.batch.writer import Done
from inference.files import replacing
from inference.masks.morphometry import Measures, to_millimetres

JUDGED = ("expected_jaccard", "check", "warning")  # columns of masks.csv that measures.csv has too


def write_measures(path: Path, dones: Iterable[Done], mm_per_pixel: float | None) -> None:
    """Writes measures.csv."""
    rows = []
    names: list[str] = [*Measures._fields]
    for done in dones:
        assert done.measures
        sizes = to_millimetres(done.measures, mm_per_pixel) if mm_per_pixel else {}
        names = [*Measures._fields, *sizes]
        judged = (getattr(done.row, name) for name in JUDGED)
        rows.append((done.row.image, *done.measures, *sizes.values(), *judged))
    write_table(path, ("image", *names, *JUDGED), rows)


def write_table(path: Path, names: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Writes rows as CSV, with a header line; a file's name keeps its bytes, UTF-8 or not."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


MEASURES = Overview(
    "csv",
    "measures.csv",
    "size and shape of lesions",
    lambda path, results: write_measures(
        path, (done for _, done in results.done), results.mm_per_pixel
    ),
    shows_measures=True,
)
