"""Groups of photographs that show one lesion, which a split must not separate."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from inference.command import InputError

SIDE = 16  # frequencies a side: 255 bits without the mean
# Near duplicates differ in 0 to 40 bits, different lesions on alike skin in 60 and more.
MOST_BITS = 50


def hash_image(image: np.ndarray) -> str:
    """Perceptual hash: the signs of an image's low frequencies against their median.

    Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions, section 3.2.1.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        64 hexadecimal digits.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (4 * SIDE, 4 * SIDE), interpolation=cv2.INTER_AREA)
    frequencies = cv2.dct(small.astype(np.float32))[:SIDE, :SIDE].ravel()[1:]
    return np.packbits(frequencies > np.median(frequencies)).tobytes().hex()


def find_near_duplicates(hashes: dict[str, str]) -> Iterator[set[str]]:
    """Yields pairs of names whose hashes differ in at most MOST_BITS."""
    names = list(hashes)
    packed = np.array([list(bytes.fromhex(hashes[name])) for name in names], dtype=np.uint8)
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
    bits = signs.shape[1]
    for first, row in enumerate(signs):
        # Of two rows of signs, the product is (bits that agree) - (bits that differ).
        differing = (bits - signs[first + 1 :] @ row) / 2
        for second in np.flatnonzero(differing <= MOST_BITS):
            yield {names[first], names[first + 1 + second]}


def read_groups(path: Path) -> list[set[str]]:
    """Reads groups of names from a CSV file with the columns name and group.

    Raises:
        InputError: no such file, or not those columns.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a CSV file with the columns name and group")
    groups: dict[str, set[str]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not {"name", "group"} <= set(rows.fieldnames or ()):
            raise InputError(f"{path}: has the columns {rows.fieldnames}; needs name and group")
        for row in rows:
            groups.setdefault(row["group"], set()).add(row["name"])
    return list(groups.values())


def group_names(hashes: dict[str, str], known: Iterable[set[str]]) -> dict[str, str]:
    """Joins near duplicates and known groups wherever they share a name.

    Args:
        hashes: name -> perceptual hash.
        known: groups of names; names that are not in `hashes` are passed over.

    Returns:
        name -> group, which is called after its first name.
    """
    group = {name: {name} for name in sorted(hashes)}
    for alike in (*known, *find_near_duplicates(hashes)):
        joined = set().union(*(group[name] for name in alike if name in group))
        group.update(dict.fromkeys(joined, joined))
    return {name: min(members) for name, members in group.items()}
