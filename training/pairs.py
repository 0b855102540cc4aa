"""Pairs of image and mask: finding them, and telling the whole ones from the broken."""

from __future__ import annotations

import csv
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inference.command import InputError, track
from inference.files import image_name, index, list_images
from inference.pixels import read_image, read_levels
from inference.stream import map_ahead
from training.split import hash_image

MASK_FOLDER = ("mask", "groundtruth", "ground_truth", "segmentation", "label", "annotation", "_gt")


class Pair(NamedTuple):
    """An image and its mask; `source` is empty for the first raw folder, else a folder's name."""

    source: str
    name: str
    image: Path
    mask: Path

    @property
    def key(self) -> str:
        return f"{self.source}/{self.name}" if self.source else self.name


@dataclass(frozen=True)
class Inspection:
    """What is known of a pair once it was read: a line of the journal of inspections.

    `stamp` tells whether the files are still those that were inspected. `problem` is empty for a
    pair that is whole; sizes are in pixels.
    """

    key: str
    stamp: str
    problem: str
    width: int = 0
    height: int = 0
    sha256: str = ""
    phash: str = ""


def find_pairs(
    raw: Path, mask_folder: Path | None = None, source: str = ""
) -> tuple[list[Pair], list[str]]:
    """Finds images and their masks, in one folder or in two.

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
    return [Pair(source, name, images[name], masks[name]) for name in names], alone


def is_mask(path: Path) -> bool:
    """True for NAME_segmentation.png, NAME_mask.png, and files in a folder named as one of masks."""
    folders = "/".join(path.parts[:-1]).lower()
    return image_name(path) != path.stem or any(word in folders for word in MASK_FOLDER)


def inspect_all(pairs: list[Pair], journal: Path, workers: int) -> list[Inspection]:
    """Inspects every pair that the journal does not know yet, and notes each as it is done."""
    known = read_journal(journal)
    current = [known.get((pair.key, stamp_files(pair))) for pair in pairs]
    waiting = [pair for pair, inspection in zip(pairs, current) if inspection is None]
    if waiting:
        with (
            journal.open("a", newline="", encoding="utf-8") as file,
            ThreadPoolExecutor(workers) as pool,
        ):
            writer = csv.writer(file)
            done = map_ahead(pool, inspect_pair, waiting, ahead=4 * workers)
            for inspection in track(done, "checking", len(waiting)):
                known[inspection.key, inspection.stamp] = inspection
                writer.writerow(astuple(inspection))
    return [known[pair.key, stamp_files(pair)] for pair in pairs]


def read_journal(journal: Path) -> dict[tuple[str, str], Inspection]:
    """Reads the inspections of an earlier run; a line that was cut short is passed over."""
    known: dict[tuple[str, str], Inspection] = {}
    if journal.exists():
        with journal.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                with suppress(ValueError, TypeError):
                    key, stamp, problem, width, height, *hashes = row
                    entry = Inspection(key, stamp, problem, int(width), int(height), *hashes)
                    known[key, stamp] = entry
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
    found = partial(Inspection, pair.key, stamp_files(pair))
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
