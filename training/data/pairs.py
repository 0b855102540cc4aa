"""Pairs of image and mask: finding them, and telling the whole ones from the broken."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inference.cli import track
from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.pixels import read_image, read_levels
from inference.runtime.stream import map_ahead
from inference.scoring.pairs import image_name, index
from training.data.split import hash_image

RULES = 1  # of what makes a pair whole: raised when they change, so that old verdicts are forgotten
# Words in the name of a folder that tell it holds masks.
MASK_WORDS = frozenset("mask masks gt groundtruth segmentation label labels annotations".split())


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
    """What is known of a pair once it was read.

    `problem` is empty for a pair that is whole; a `fleeting` one is not remembered. Sizes are in pixels.
    """

    problem: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""
    mask_sha256: str = ""
    phash: str = ""
    fleeting: bool = False


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
    raw = raw.resolve()
    files = [path for path in list_images(raw) if not path.stem.endswith("_superpixels")]
    if mask_folder:
        mask_files = list_images(mask_folder.resolve())
    else:
        mask_files = [path for path in files if is_mask(path, raw)]
    image_files = set(files).difference(mask_files)
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


def is_mask(path: Path, raw: Path) -> bool:
    """True for NAME_segmentation.png, NAME_mask.png, and what lies in a folder with a word for masks."""
    if image_name(path) != path.stem:
        return True
    if path.parent == raw:
        return False
    # Capitals begin words as well: Task1_GroundTruth is task, ground, truth.
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path.parent.name).lower()
    found = set(re.findall("[a-z]+", words))
    return bool(found & MASK_WORDS) or {"ground", "truth"} <= found


def inspect_all(pairs: list[Pair], journal: Path, workers: int) -> list[Inspection]:
    """Inspects every pair that the journal does not know yet, and notes each as it is done."""
    known = read_journal(journal)
    stamps = {pair.key: stamp_files(pair) for pair in pairs}
    found = {pair.key: known.get((pair.key, stamps[pair.key])) for pair in pairs}
    waiting = [pair for pair in pairs if found[pair.key] is None]
    if waiting:
        with journal.open("a", encoding="utf-8") as file, ThreadPoolExecutor(workers) as pool:
            file.write("\n")  # ends a line that was cut short
            done = map_ahead(pool, inspect_pair, waiting, ahead=4 * workers)
            for pair, inspection in zip(waiting, track(done, "checking", len(waiting))):
                found[pair.key] = inspection
                if inspection.fleeting:
                    continue
                entry = {"rules": RULES, "key": pair.key, "stamp": stamps[pair.key]}
                file.write(json.dumps({**entry, **dataclasses.asdict(inspection)}) + "\n")
    return [inspection for inspection in found.values() if inspection]


def read_journal(journal: Path) -> dict[tuple[str, str], Inspection]:
    """Reads the inspections of an earlier run by key and stamp; a line cut short counts for nothing."""
    known: dict[tuple[str, str], Inspection] = {}
    if journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                if entry.pop("rules") == RULES:
                    of = entry.pop("key"), entry.pop("stamp")
                    known[of] = Inspection(**entry)
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
    try:
        image, levels = read_image(pair.image), read_levels(pair.mask)
        sha256, mask_sha256 = (
            hashlib.sha256(path.read_bytes()).hexdigest() for path in (pair.image, pair.mask)
        )
    except OSError as error:  # it may be mended by the next run, and the files look the same
        return Inspection(str(error), fleeting=True)
    except InputError as error:
        return Inspection(str(error))
    height, width = image.shape[:2]
    problem = find_problem(levels, height, width)
    if problem or not levels.any():
        return Inspection(problem or "mask is empty; outline the lesion")
    return Inspection("", width, height, sha256, mask_sha256, hash_image(image))


def find_problem(levels: np.ndarray, height: int, width: int) -> str:
    """Tells why a mask is not one of an image of this size; empty if it is."""
    if levels.shape != (height, width):
        mask_height, mask_width = levels.shape
        return f"image is {width} x {height}, mask {mask_width} x {mask_height}; sizes must agree"
    if others := set(np.unique(levels).tolist()) - {0, 255}:
        return f"mask has the level {min(others)}; 0 and 255 alone may occur; save it so as PNG"
    return ""
