"""Divides images into training, validation and test, photos of one lesion together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from inference.errors import InputError

SPLITS = ("train", "valid", "test")
SIDE = 16  # frequencies per side: 255 bits without the mean
# Near duplicates differ in 0 to 40 bits, different lesions on similar skin in 60 or more.
MAX_BITS = 50


def hash_image(image: np.ndarray) -> str:
    """Perceptual hash: whether each low frequency of an image is above their median.

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
    """Yields pairs of names whose hashes differ in at most MAX_BITS bits."""
    names = list(hashes)
    packed = np.array([list(bytes.fromhex(hashes[name])) for name in names], dtype=np.uint8)
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
    bits = signs.shape[1]
    for first, row in enumerate(signs):
        # The product of two rows of signs is (bits that agree) - (bits that differ).
        differing = (bits - signs[first + 1 :] @ row) / 2
        for second in np.flatnonzero(differing <= MAX_BITS):
            yield {names[first], names[first + 1 + second]}


def group_names(names: Iterable[str], alike: Iterable[set[str]]) -> dict[str, str]:
    """Merges sets of names that overlap.

    Args:
        names: all names.
        alike: sets of names that belong together; names that are not in `names` are ignored.

    Returns:
        name -> group, named after its first member.
    """
    group = {name: {name} for name in sorted(names)}
    for together in alike:
        parts = {id(group[name]): group[name] for name in together if name in group}
        if len(parts) > 1:
            joined = set().union(*parts.values())
            group.update(dict.fromkeys(joined, joined))
    return {name: min(members) for name, members in group.items()}


def split_groups(groups: dict[str, str], seed: int) -> dict[str, str]:
    """Splits names 70/10/20 without dividing a group.

    Groups are sorted by a hash of seed and group, so the split is the same on every machine, with every
    version of every library. Large groups are placed first; single images then fill each split exactly.

    Args:
        groups: name -> group.

    Returns:
        name -> split.

    Raises:
        InputError: a split would be empty.
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
        return -len(members[group]), hash_group(group, seed)

    splits: dict[str, str] = {}
    for group in sorted(members, key=order):
        size = len(members[group])
        fitting = [split for split in SPLITS if room[split] >= size]
        if fitting:
            split = max(fitting, key=lambda split: room[split] / targets[split])
        else:
            split = max(SPLITS, key=lambda split: room[split])
        room[split] -= size
        splits.update(dict.fromkeys(members[group], split))
    if empty := set(SPLITS).difference(splits.values()):
        raise InputError(
            f"{images} images in {len(members)} groups: none left for {empty.pop()}; "
            "give at least 3 groups"
        )
    return splits


def draw_validation(groups: dict[str, str], seed: int) -> set[str]:
    """Draws a tenth of the training images, at least one, as whole groups and the same ones everywhere.

    Args:
        groups: name -> group.

    Raises:
        InputError: no image would be left to train on.
    """
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    wanted, drawn = max(1, len(groups) // 10), set[str]()

    def order(group: str) -> tuple[bool, str]:
        return len(members[group]) > wanted, hash_group(group, seed)

    for group in sorted(members, key=order):
        if not drawn or len(drawn) + len(members[group]) <= wanted:
            drawn.update(members[group])
    if len(drawn) == len(groups):
        raise InputError(
            f"{len(groups)} training images in one group, and none for validation: add a folder valid"
        )
    return drawn


def hash_group(group: str, seed: int) -> str:
    """The same on every machine."""
    return hashlib.sha256(f"{seed}:{group}".encode(errors="surrogateescape")).hexdigest()
