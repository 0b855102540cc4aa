"""Turns raw folders of images and masks into a checked, split and cached data set.

    python -m training.prepare ISIC2018/ data/
    python -m training.prepare photos/ data/ --masks outlines/

    data/train  train_GT  valid  valid_GT  test  test_GT    files, linked or copied, under their own names
    data/cache/train-224-images.npy ...                     resized once, so no epoch decodes a file again
    data/manifest.csv                                       name, split, group, width, height, hashes

Interrupted, it goes on where it was; run again, it changes nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from inference.command import InputError, run, track
from inference.files import image_name, index, list_images, replacing
from inference.pixels import read_image, read_levels
from inference.stream import map_ahead
from training.data import SPLITS, build_cache
from training.duplicates import group_names, hash_image, read_groups

MASK_FOLDER = ("mask", "groundtruth", "ground_truth", "segmentation", "label", "annotation", "_gt")


class Pair(NamedTuple):
    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Inspection:
    """What is known of a pair once it was read: a line of the journal of inspections.

    `stamp` tells whether the files are still those that were inspected. `problem` is empty for a
    pair that is whole; sizes are in pixels.
    """

    name: str
    stamp: str
    problem: str
    width: int = 0
    height: int = 0
    sha256: str = ""
    phash: str = ""


class Entry(NamedTuple):
    """A line of manifest.csv."""

    name: str
    split: str
    group: str
    width: int
    height: int
    sha256: str
    phash: str


def prepare(
    raw: Annotated[Path, tyro.conf.Positional],
    data: Annotated[Path, tyro.conf.Positional],
    masks: Path | None = None,
    groups: Path | None = None,
    size: int = 224,
    seed: int = 0,
    workers: int = 0,
) -> int:
    """Check, split (70/10/20) and cache a folder of images and masks for training.

    Exit code: 0 if every pair is in, 1 if broken ones were left out (each is named), 2 for bad input.

    Args:
        raw: Folder of the images, and of their masks unless --masks is given: the folder that the
            challenge's archives were unpacked in.
        data: Folder to write the data set to.
        masks: Folder of the masks, named NAME_segmentation.png, NAME_mask.png or NAME.png.
        groups: CSV of name,group: photographs of one lesion, to be kept on one side of the split.
            Near duplicates that are found by perceptual hash are added to them.
        size: Side in pixels of the cached images: the --size of the training.
        seed: Another seed is another split; the same seed is the same split on every machine.
        workers: Threads that read images; 0 is one a core.
    """
    if size < 16 or workers < 0:
        raise InputError(f"--size {size} --workers {workers}: at least 16 and 0; leave them out")
    workers = workers or os.cpu_count() or 1
    console = Console(highlight=False, soft_wrap=True)
    pairs, unpaired = find_pairs(raw, masks)
    known_groups = read_groups(groups) if groups else []

    data.mkdir(parents=True, exist_ok=True)
    inspections = inspect_all(pairs, data / ".inspections.csv", workers)
    problems = unpaired + [
        f"{entry.name}: {entry.problem}" for entry in inspections if entry.problem
    ]
    whole = [entry for entry in inspections if not entry.problem]
    if len(whole) < len(SPLITS):
        raise InputError(
            f"{raw}: {len(whole)} whole pairs of image and mask; a split needs 3 at least"
            + (f"; the first problem: {problems[0]}" if problems else "")
        )
    manifest = make_manifest(whole, known_groups, seed)
    write_manifest(data / "manifest.csv", manifest)
    place_files(data, pairs, manifest)
    for split in SPLITS:
        build_cache(data, split, size, workers)

    console.print(tabulate(manifest))
    for problem in problems:
        console.print(f"left out: {problem}", markup=False)
    return 1 if problems else 0


def find_pairs(raw: Path, mask_folder: Path | None) -> tuple[list[Pair], list[str]]:
    """Finds images and their masks.

    Returns:
        The pairs sorted by name, and a line for each file that has no partner.

    Raises:
        InputError: no pair, or two files for one name.
    """
    for folder in filter(None, (raw, mask_folder)):
        if not folder.is_dir():
            raise InputError(f"{folder}: is no folder; give the folder of the raw data")
    files = [path for path in list_images(raw) if not path.stem.endswith("_superpixels")]
    if mask_folder:
        mask_files = list_images(mask_folder)
        inside = set(mask_files)
        image_files = [path for path in files if path not in inside]
    else:
        mask_files = [path for path in files if is_mask(path.relative_to(raw))]
        image_files = [path for path in files if not is_mask(path.relative_to(raw))]
    images = index(raw, {path: path.stem for path in image_files})
    masks = index(mask_folder or raw, {path: image_name(path) for path in mask_files})
    names = sorted(images.keys() & masks.keys())
    if not names:
        raise InputError(
            f"{raw}: {len(images)} images and {len(masks)} masks, none of one name; "
            "name the masks NAME_segmentation.png, or give their folder with --masks"
        )
    alone = [f"{images[name]} has no mask" for name in sorted(images.keys() - masks.keys())]
    alone += [f"{masks[name]} has no image" for name in sorted(masks.keys() - images.keys())]
    return [Pair(name, images[name], masks[name]) for name in names], alone


def is_mask(path: Path) -> bool:
    """True for NAME_segmentation.png, NAME_mask.png, and files in a folder named as one of masks."""
    folders = "/".join(path.parts[:-1]).lower()
    return image_name(path) != path.stem or any(word in folders for word in MASK_FOLDER)


def inspect_all(pairs: list[Pair], journal: Path, workers: int) -> list[Inspection]:
    """Inspects every pair that the journal does not know yet, and notes each as it is done."""
    known = read_journal(journal)
    current = [known.get((pair.name, stamp_files(pair))) for pair in pairs]
    waiting = [pair for pair, inspection in zip(pairs, current) if inspection is None]
    if waiting:
        with (
            journal.open("a", newline="", encoding="utf-8") as file,
            ThreadPoolExecutor(workers) as pool,
        ):
            writer = csv.writer(file)
            done = map_ahead(pool, inspect_pair, waiting, ahead=4 * workers)
            for inspection in track(done, "checking", len(waiting)):
                known[inspection.name, inspection.stamp] = inspection
                writer.writerow(astuple(inspection))
    return [known[pair.name, stamp_files(pair)] for pair in pairs]


def read_journal(journal: Path) -> dict[tuple[str, str], Inspection]:
    """Reads the inspections of an earlier run; a line that was cut short is passed over."""
    known: dict[tuple[str, str], Inspection] = {}
    if journal.exists():
        with journal.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                with suppress(ValueError, TypeError):
                    name, stamp, problem, width, height, *hashes = row
                    entry = Inspection(name, stamp, problem, int(width), int(height), *hashes)
                    known[name, stamp] = entry
    return known


def stamp_files(pair: Pair) -> str:
    """Sizes and times of a pair's files: changes when one of them does."""
    try:
        stats = pair.image.stat(), pair.mask.stat()
    except OSError:  # a dangling link: the inspection will say so
        return ""
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)


def inspect_pair(pair: Pair) -> Inspection:
    """Reads a pair and tells what it is, or what is wrong with it."""
    found = partial(Inspection, pair.name, stamp_files(pair))
    try:
        image = read_image(pair.image)
        levels = read_levels(pair.mask)
        sha256 = hashlib.sha256(pair.image.read_bytes()).hexdigest()
    except (InputError, OSError) as error:
        return found(str(error))
    height, width = image.shape[:2]
    if levels.shape != (height, width):
        mask_height, mask_width = levels.shape
        return found(
            f"image is {width} x {height}, mask {mask_width} x {mask_height}; sizes must agree"
        )
    if others := set(np.unique(levels)) - {0, 255}:
        return found(
            f"mask has the level {min(others)}; 0 and 255 alone may occur; save it so as PNG"
        )
    if not levels.any():
        return found("mask is empty; outline the lesion")
    return found("", width, height, sha256, hash_image(image))


def make_manifest(whole: list[Inspection], known_groups: list[set[str]], seed: int) -> list[Entry]:
    """Groups and splits the inspected pairs: an entry each, by name."""
    groups = group_names({entry.name: entry.phash for entry in whole}, known_groups)
    splits = split_groups(groups, seed)
    return [
        Entry(e.name, splits[e.name], groups[e.name], e.width, e.height, e.sha256, e.phash)
        for e in whole
    ]


def split_groups(groups: dict[str, str], seed: int) -> dict[str, str]:
    """Splits names 70/10/20, groups whole.

    The order is that of a hash of seed and group, so it is the same with any library on any machine.
    Groups of several are dealt first; single images then fill each split to its exact number.

    Args:
        groups: name -> group.

    Returns:
        name -> split.
    """
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    images = len(groups)
    valid = max(1, images // 10)
    train = max(1, min(images * 7 // 10, images - valid - 1))
    room = {"train": train, "valid": valid, "test": images - train - valid}
    targets = dict(room)

    def order(group: str) -> tuple[int, str]:
        return -len(members[group]), hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()

    splits: dict[str, str] = {}
    for group in sorted(members, key=order):
        split = max(SPLITS, key=lambda split: room[split] / targets[split])
        room[split] -= len(members[group])
        splits.update(dict.fromkeys(members[group], split))
    return splits


def write_manifest(path: Path, manifest: list[Entry]) -> None:
    """Writes the manifest; one that is already there must be the same.

    Raises:
        InputError: the folder holds another split.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Entry._fields)
    writer.writerows(manifest)
    if path.exists():
        if path.read_text(encoding="utf-8") != text.getvalue():
            raise InputError(
                f"{path.parent}: holds a split of other images, groups or seed; "
                "a data set has one split: give a new folder, or delete this one"
            )
        return
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def place_files(data: Path, pairs: list[Pair], manifest: list[Entry]) -> None:
    """Puts every image in its split's folder and its mask beside it in the _GT folder."""
    splits = {entry.name: entry.split for entry in manifest}
    for name, image, mask in pairs:
        if name in splits:
            place(image, data / splits[name] / image.name)
            place(mask, data / f"{splits[name]}_GT" / f"{name}_segmentation{mask.suffix}")


def place(source: Path, target: Path) -> None:
    """Links a file, or copies it where links cannot be made; one that is there stays."""
    if target.exists():
        return
    with replacing(target) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def tabulate(manifest: list[Entry]) -> Table:
    """Sums the data set up for people."""
    table = Table(title=f"{len(manifest)} images")
    for heading in ("split", "images", "groups of several", "smallest", "largest"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split in SPLITS:
        entries = [entry for entry in manifest if entry.split == split]
        sizes = sorted((entry.width * entry.height, entry) for entry in entries)
        smallest, largest = (f"{e.width} x {e.height}" for _, e in (sizes[0], sizes[-1]))
        several = Counter(entry.group for entry in entries)
        groups = sum(count > 1 for count in several.values())
        table.add_row(split, str(len(entries)), str(groups), smallest, largest)
    return table


if __name__ == "__main__":
    run(prepare)
