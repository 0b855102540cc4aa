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
    """Writes measures.csv; the columns in mm are there if the size of any image's pixels is known.

    Args:
        mm_per_pixel: of all images; it counts before what their files say.
    """
    rows = []
    sizes: dict[str, float] = {}
    for done in dones:
        assert done.measures
        scale = mm_per_pixel or done.mm_per_pixel
        found = to_millimetres(done.measures, scale) if scale else {}
        sizes = sizes or found
        rows.append((done, found))
    write_table(
        path,
        ("image", *Measures._fields, *sizes, *JUDGED),
        (
            (
                done.row.image,
                *(done.measures or ()),
                *(found.get(name, "") for name in sizes),
                *(getattr(done.row, name) for name in JUDGED),
            )
            for done, found in rows
        ),
    )


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
