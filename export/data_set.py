"""A data set that training.prepare wrote: its manifest and its splits."""

from __future__ import annotations

from pathlib import Path

from inference.errors import InputError
from inference.scoring.pairs import Pairs, find_pairs
from training.data.layout import MANIFEST
from training.data.tables import format_row, read_own_rows


def read_manifest(data: Path) -> list[dict[str, str]]:
    """The lines of a data set's manifest.csv.

    Raises:
        InputError: the folder holds none.
    """
    manifest = data / MANIFEST
    if not manifest.is_file():
        raise InputError(
            f"{data}: holds no {MANIFEST}; give a data set, a folder that training.prepare wrote"
        )
    return read_own_rows(manifest, "name", "source", "split")


def find_split(data: Path, source: str, split: str) -> Pairs:
    """Images and masks of one split of one source."""
    folder = data / source
    return find_pairs(folder / split, folder / f"{split}_GT")


def pool_split(data: Path, manifest: list[dict[str, str]], split: str) -> Pairs:
    """Images and masks of one split of all sources, by SOURCE/NAME."""
    return {
        f"{source}/{name}": pair
        for source in sorted({row["source"] for row in manifest})
        for name, pair in find_split(data, source, split).items()
    }


def write_splits(path: Path, manifest: list[dict[str, str]]) -> None:
    """Name and split of every image: name,split."""
    splits = {row["name"]: row["split"] for row in manifest}
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(map(format_row, (("name", "split"), *sorted(splits.items()))))
