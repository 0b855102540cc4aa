"""The manifest of a data set: what each image is, which split and group it belongs to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from inference.errors import InputError
from training.data.inspection import Inspection
from training.data.pairs import Pair
from training.data.split import (
    SPLITS,
    draw_validation,
    find_near_duplicates,
    group_names,
    split_groups,
)
from training.data.tables import write_rows_once


class Entry(NamedTuple):
    """A line of manifest.csv: sizes in pixels, hashes in hexadecimal digits."""

    name: str
    source: str
    split: str
    group: str
    width: int
    height: int
    sha256: str
    mask_sha256: str
    phash: str


def make_manifest(
    intact: dict[Pair, Inspection], known_groups: list[set[str]], seed: int
) -> list[Entry]:
    """Groups and splits the inspected pairs by the name of the image: an entry each, in order.

    Raises:
        InputError: `known_groups` names none of the images, or a split would be empty.
    """
    labels = {pair.key: pair.label for pair in intact}
    named: dict[str, set[str]] = {}
    for pair in intact:
        named.setdefault(pair.name, set()).add(pair.label)
    if known_groups and not set().union(*known_groups) & named.keys():
        raise InputError("--groups: names none of the images; write names as in ISIC_0000000")
    known = [set().union(*(named.get(name, ()) for name in group)) for group in known_groups]
    hashes = {pair.key: found.phash for pair, found in intact.items()}
    alike = [{labels[key] for key in twins} for twins in find_near_duplicates(hashes)]
    groups = group_names(labels.values(), known + alike)
    chosen = {pair.label: pair.split for pair in intact if pair.split}
    splits = complete_splits(chosen, groups, seed) if chosen else split_groups(groups, seed)
    return [
        Entry(
            pair.name, pair.source, splits[pair.label], groups[pair.label],
            found.width, found.height, found.sha256, found.mask_sha256, found.phash,
        )
        for pair, found in intact.items()
    ]  # fmt: skip


def complete_splits(chosen: dict[str, str], groups: dict[str, str], seed: int) -> dict[str, str]:
    """The user's own splits; without validation images, some are drawn from those of training.

    Args:
        chosen: label -> split, of every image.
        groups: label -> group.

    Raises:
        InputError: there are no images for training, or too few to draw from.
    """
    training = {label: groups[label] for label, split in chosen.items() if split == "train"}
    if not training:
        raise InputError("there are no training images; put some into the split train")
    if "valid" in chosen.values():
        return chosen
    return chosen | dict.fromkeys(draw_validation(training, seed), "valid")


def remark_on_splits(intact: dict[Pair, Inspection], manifest: list[Entry]) -> list[str]:
    """What a user should know about splits that are his own; nothing about those that we made."""
    moved = [pair for pair, entry in zip(intact, manifest) if pair.split not in ("", entry.split)]
    remarks = []
    if any(pair.split for pair in intact):
        splits: dict[str, set[str]] = {}
        for entry in manifest:
            splits.setdefault(entry.group, set()).add(entry.split)
        remarks.append("your own split is kept")
        if moved:
            remarks.append(
                f"no validation images were given: {len(moved)} drawn from train by --seed"
            )
        if "test" not in {entry.split for entry in manifest}:
            remarks.append("no test images were given: there is no test split")
        if divided := sum(len(found) > 1 for found in splits.values()):
            remarks.append(
                f"warning: {divided} groups of near duplicates or of one lesion lie in several splits"
            )
    return remarks


def write_manifest(path: Path, manifest: list[Entry]) -> None:
    """Writes the manifest; one that is already there must be the same.

    Raises:
        InputError: the folder holds another split.
    """
    write_rows_once(
        path,
        Entry._fields,
        manifest,
        f"{path.parent}: holds a split of other images, masks, groups or seed; "
        "a data set has one split: give a new folder, or delete this one",
    )


def summarize(manifest: list[Entry]) -> Table:
    """Counts images, groups and sizes of each split, for people to read."""
    table = Table(title=f"{len(manifest)} images")
    for heading in ("source", "split", "images", "groups of several", "smallest", "largest"):
        table.add_column(heading, justify="left" if heading in ("source", "split") else "right")
    for source in dict.fromkeys(entry.source for entry in manifest):
        for split in SPLITS:
            entries = [e for e in manifest if (e.source, e.split) == (source, split)]
            sizes = sorted((e.width * e.height, f"{e.width} x {e.height}") for e in entries)
            groups = Counter(e.group for e in entries)
            several = sum(count > 1 for count in groups.values())
            ends = (sizes[0][1], sizes[-1][1]) if sizes else ("", "")
            table.add_row(escape(source), split, str(len(entries)), str(several), *ends)
    return table
