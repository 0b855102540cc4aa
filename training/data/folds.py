"""Folds for cross-validation: the images of train and valid, dealt out anew; those of test stay apart.

`training.prepare --folds 5` writes folds.csv; `training.train --fold 0` trains on the others and
validates on that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from inference.errors import InputError
from training.data.cache import Rows, Split, open_split
from training.data.manifest import Entry
from training.data.split import hash_group
from training.data.tables import read_own_rows, write_rows_once

FOLDS = "folds.csv"


def deal_folds(groups: Iterable[str], count: int, seed: int) -> dict[str, int]:
    """Deals groups out to folds of nearly equal numbers of images: the same ones on every machine.

    Args:
        groups: the group of each image; it goes to one fold as a whole.

    Returns:
        group -> fold, from 0.

    Raises:
        InputError: there are fewer groups than folds.
    """
    members: dict[str, int] = {}
    for group in groups:
        members[group] = members.get(group, 0) + 1
    if len(members) < count:
        raise InputError(
            f"--folds {count}: there are {len(members)} groups of images in train and valid; "
            "give at most that many"
        )
    images = [0] * count
    folds: dict[str, int] = {}
    for group in sorted(members, key=lambda name: (-members[name], hash_group(name, seed))):
        folds[group] = images.index(min(images))
        images[folds[group]] += members[group]
    return folds


def make_folds(manifest: Sequence[Entry], count: int, seed: int) -> list[tuple[str, str, int]]:
    """The name, source and fold of each image of train and valid.

    Raises:
        InputError: there are too few groups.
    """
    entries = [entry for entry in manifest if entry.split != "test"]
    folds = deal_folds([entry.group for entry in entries], count, seed)
    return [(entry.name, entry.source, folds[entry.group]) for entry in entries]


def write_folds(data: Path, folds: Iterable[tuple[str, str, int]]) -> None:
    """Writes folds.csv, from what `make_folds` returned.

    Raises:
        InputError: the file was made with other settings.
    """
    write_rows_once(
        data / FOLDS,
        ("name", "source", "fold"),
        folds,
        f"{data / FOLDS}: was made with other settings; delete it to make new folds, or give "
        "--folds and --seed as before",
    )


def open_fold(data: Path, fold: int, size: int) -> tuple[Split, Split]:
    """Opens the images of all folds but one, and those of that one: for training and for validation.

    Args:
        fold: number of the fold to validate on.
        size: side of the images and masks, in pixels.

    Raises:
        InputError: there are no folds, or none of this number, or they are of other images.
    """
    if not (data / FOLDS).is_file():
        raise InputError(
            f"--fold {fold}: {data} has no folds; make them with training.prepare --folds 5"
        )
    rows = read_own_rows(data / FOLDS, "name", "source", "fold")
    of = {"/".join(filter(None, (row["source"], row["name"]))): row["fold"] for row in rows}
    if str(fold) not in of.values():
        known = sorted({*of.values()}, key=int)
        raise InputError(
            f"--fold {fold}: {data} has the folds {', '.join(known)}; give one of them"
        )
    splits = [open_split(data, split, size) for split in ("train", "valid")]
    names = [name for split in splits for name in split.names]
    if strangers := sorted(of.keys() ^ {*names}):
        raise InputError(
            f"{data / FOLDS}: does not match the images: {strangers[0]} is in only one of them; delete "
            "it and run training.prepare --folds again"
        )
    inside = np.array([of[name] == str(fold) for name in names])
    left_out, kept = (np.flatnonzero(chosen) for chosen in (inside, ~inside))
    return choose_rows(splits, kept), choose_rows(splits, left_out)


def choose_rows(splits: Sequence[Split], rows: np.ndarray) -> Split:
    """Some rows of several splits, counted through, as one split."""
    names = [name for split in splits for name in split.names]
    return Split(
        [names[row] for row in rows],
        ChosenRows([split.images for split in splits], rows),
        ChosenRows([split.masks for split in splits], rows),
    )


class ChosenRows:
    """Rows of several arrays, seen as one array, and read when they are asked for.

    Args:
        arrays: of equal shapes but for the first axis, along which their rows are counted through.
        rows: (N,) the numbers of those to keep.
    """

    def __init__(self, arrays: Sequence[Rows], rows: np.ndarray) -> None:
        ends = np.cumsum([array.shape[0] for array in arrays])
        part = np.searchsorted(ends, rows, side="right")
        starts = np.concatenate(([0], ends[:-1]))
        self._arrays, self._places = arrays, np.column_stack((part, rows - starts[part]))
        self.shape = (len(rows), *arrays[0].shape[1:])

    def __getitem__(self, index: int | np.ndarray) -> np.ndarray:
        if isinstance(index, np.ndarray):
            return np.stack([self[row] for row in index])
        part, row = self._places[index]
        return self._arrays[part][row]
