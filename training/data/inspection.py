"""Reads every pair of image and mask once, and tells the intact ones from the broken."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.cli import track
from inference.errors import InputError
from inference.images.mask import LESION, PLAIN, ZERO_ONE, understand_levels
from inference.images.pixels import extract_image, holds_mask, read_image, read_levels
from inference.runtime.pool import Pool
from inference.runtime.stream import map_ahead
from training.data.pairs import Pair
from training.data.split import hash_image

RULES = (
    4  # version of the rules for an intact pair: raise it when they change, to drop old verdicts
)


@dataclass(frozen=True)
class Inspection:
    """What is known about a pair after it was read.

    `problem` is empty for an intact pair; a `fleeting` one is not remembered. Sizes are in pixels.
    `mask_kind` is empty if the file is a PNG of 0 and 255 and may be copied, else says what it was.
    `extracted` is empty for an image that may be copied, else the suffix of the file inside it.
    """

    problem: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""
    mask_sha256: str = ""
    phash: str = ""
    mask_kind: str = ""
    extracted: str = ""
    fleeting: bool = False


def inspect_pairs(
    pairs: Sequence[Pair], journal: Path, workers: int
) -> tuple[dict[Pair, Inspection], list[str]]:
    """Inspects every pair that is not in the journal yet, and notes each as soon as it is done.

    Returns:
        The intact pairs with their inspections, in order, and a line for each broken pair.
    """
    known = read_journal(journal)
    stamps = {pair: stamp_files(pair) for pair in pairs}
    inspected = {pair: known.get((pair.key, stamps[pair])) for pair in pairs}
    waiting = [pair for pair in pairs if inspected[pair] is None]
    if waiting:
        with journal.open("a", encoding="utf-8") as file, Pool(workers) as pool:
            file.write("\n")  # ends a line that was cut short
            done = map_ahead(pool, inspect_pair, waiting, ahead=4 * workers)
            for pair, inspection in zip(waiting, track(done, "checking", len(waiting))):
                inspected[pair] = inspection
                if inspection.fleeting:
                    continue
                entry = {"rules": RULES, "key": pair.key, "stamp": stamps[pair]}
                file.write(json.dumps({**entry, **dataclasses.asdict(inspection)}) + "\n")
    found = {pair: inspection for pair, inspection in inspected.items() if inspection}
    intact = {pair: inspection for pair, inspection in found.items() if not inspection.problem}
    return intact, [f"{pair.key}: {found[pair].problem}" for pair in found if pair not in intact]


def count_rewritten(intact: dict[Pair, Inspection]) -> Counter[str]:
    """How many masks of each kind cannot be copied as they are."""
    return Counter(found.mask_kind for found in intact.values() if found.mask_kind)


def read_journal(journal: Path) -> dict[tuple[str, str], Inspection]:
    """Reads an earlier run's inspections by key and stamp; lines that were cut short are skipped."""
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
    """Sizes and times of a pair's files, which change when one of the files does."""
    try:
        stats = pair.image.stat(), pair.mask.stat()
    except OSError:  # a dangling link: the inspection will report it
        return ""
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)


def inspect_pair(pair: Pair) -> Inspection:
    """Reads a pair and describes it, or says what is wrong with it."""
    try:
        image, levels = read_image(pair.image), read_levels(pair.mask)
        inside = extract_image(pair.image)
        sha256, mask_sha256 = (
            hashlib.sha256(path.read_bytes()).hexdigest() for path in (pair.image, pair.mask)
        )
    except OSError as error:  # may be gone by the next run, though the files have not changed
        return Inspection(str(error), fleeting=True)
    except InputError as error:
        return Inspection(str(error))
    height, width = image.shape[:2]
    try:
        lesion, kind = find_lesion(levels, height, width, pair.mask.suffix)
    except InputError as error:
        return Inspection(str(error))
    if not lesion.any():
        return Inspection("mask is empty; outline the lesion")
    if kind == PLAIN:
        kind = "" if holds_mask(pair.mask, lesion) else "another format, or turned"
    phash = hash_image(image)
    suffix = inside[0] if inside else ""
    return Inspection("", width, height, sha256, mask_sha256, phash, kind, suffix)


def read_lesion(mask: Path, height: int, width: int) -> np.ndarray:
    """Reads the mask of an image of this size, by the rule of `find_lesion`: (H, W) bool.

    Raises:
        InputError: the mask cannot be read or understood, or its size is another.
        OSError: the file cannot be opened.
    """
    levels = read_levels(mask)
    try:
        return find_lesion(levels, height, width, mask.suffix)[0]
    except InputError as error:
        raise InputError(f"{mask}: {error}") from error


def find_lesion(levels: np.ndarray, height: int, width: int, suffix: str) -> tuple[np.ndarray, str]:
    """Understands the levels of a mask for training: the lesion, (H, W) bool, and how it was meant.

    Args:
        levels: (H, W) uint8, the mask as it is in its file.
        height, width: of the image.
        suffix: of the mask's file.

    Raises:
        InputError: the mask does not suit an image of this size, or may mean several things.
    """
    if levels.shape != (height, width):
        mask_height, mask_width = levels.shape
        raise InputError(
            f"image is {width} x {height}, mask {mask_width} x {mask_height}; sizes must agree"
        )
    kind = understand_levels(levels, suffix)
    if kind is None:
        other = min(set(np.unique(levels).tolist()) - {0, 255})
        raise InputError(
            f"mask has the value {other}; only 0 and 255, or 0 and 1, are allowed; save it as such a PNG"
        )
    return levels > (0 if kind == ZERO_ONE else LESION), kind
