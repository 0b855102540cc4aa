"""Images and masks resized once into memory-mapped arrays, so that no epoch decodes a file."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from inference.cli import track
from inference.errors import InputError
from inference.files import replacing
from inference.images.pixels import read_levels, read_resized, resize_mask
from inference.machine import usable_cores
from inference.runtime.stream import map_ahead
from inference.scoring.pairs import index_images, index_masks
from training.data.pairs import Pair, find_problem, stamp_files


@dataclass(frozen=True)
class Split:
    """One part of the data set at one size.

    Attributes:
        names: of the images, in order.
        images: (N, S, S, 3) uint8 RGB, memory-mapped.
        masks: (N, S, S) uint8, 0 or 1, memory-mapped.
    """

    names: list[str]
    images: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class CacheFiles:
    """Where a split's arrays lie, and what they were made of."""

    images: Path
    masks: Path
    stamps: Path


def open_split(data: Path, split: str, size: int, workers: int = 0) -> Split:
    """Opens a split's cache; makes it first if there is none or a file has changed since.

    Args:
        workers: threads that read images; 0 is one a core.

    Raises:
        InputError: `data` is not laid out as `training.prepare` does, or a pair is broken.
    """
    pairs = pair_files(data, split)
    names = [pair.key for pair in pairs]
    files = cache_files(data, split, size)
    stamps = {pair.key: stamp_files(pair) for pair in pairs}
    if not is_current(files, stamps):
        with locked(files.stamps.parent):
            # Another process may have been at it meanwhile: one of the same run, or of another.
            if not is_current(files, stamps):
                write_arrays(files, pairs, size, workers or usable_cores())
                with replacing(files.stamps) as temporary:
                    temporary.write_text(json.dumps(stamps))
    return Split(names, np.load(files.images, mmap_mode="r"), np.load(files.masks, mmap_mode="r"))


def pair_files(data: Path, split: str) -> list[Pair]:
    """Finds a split's images and masks: its folder in `data`, then those of the further sources.

    Raises:
        InputError: a folder is missing, or images and masks are not one to one.
    """
    if not (data / split).is_dir():
        raise InputError(f"{data / split}: no such folder; make the data set with training.prepare")
    pairs = []
    for folder in (data, *sorted(path.parent for path in data.glob(f"*/{split}"))):
        images, masks = index_images(folder / split), index_masks(folder / f"{split}_GT")
        if alone := sorted(images.keys() ^ masks.keys()):
            raise InputError(
                f"{folder / split}: {alone[0]} has an image or a mask, but not both; "
                "delete it or add the other"
            )
        source = "" if folder == data else folder.name
        pairs += [Pair(source, name, images[name], masks[name]) for name in images]
    return pairs


def cache_files(data: Path, split: str, size: int) -> CacheFiles:
    """Names the files of a split's cache."""
    folder, stem = data / "cache", f"{split}-{size}"
    return CacheFiles(
        folder / f"{stem}-images.npy", folder / f"{stem}-masks.npy", folder / f"{stem}.json"
    )


def is_current(files: CacheFiles, stamps: dict[str, str]) -> bool:
    """True if the arrays are there, whole, and made of just these files."""
    try:
        made_of = json.loads(files.stamps.read_text())
        whole = [len(np.load(path, mmap_mode="r")) for path in (files.images, files.masks)]
    except (OSError, ValueError, EOFError):
        return False
    # As lists: the order is that of the rows.
    return list(made_of.items()) == list(stamps.items()) and whole == [len(stamps)] * 2


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder against all other processes; it goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for leftover in folder.glob(".*.npy"):  # of a process that was killed at this
            leftover.unlink()
        yield
    finally:
        os.close(descriptor)


def write_arrays(files: CacheFiles, pairs: list[Pair], size: int, workers: int) -> None:
    """Reads and resizes images and masks into the two arrays of a cache."""
    shape = (len(pairs), size, size)
    with (
        replacing(files.images) as image_file,
        replacing(files.masks) as mask_file,
        ThreadPoolExecutor(workers) as pool,
    ):
        image_rows = allocate(image_file, (*shape, 3))
        mask_rows = allocate(mask_file, shape)
        loaded = map_ahead(pool, partial(load, size=size), pairs, ahead=4 * workers)
        doing = f"caching {files.stamps.stem}"
        for row, (image, mask) in enumerate(track(loaded, doing, len(pairs))):
            image_rows[row], mask_rows[row] = image, mask


def allocate(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Makes a memory-mapped array of uint8 on a disk that has room for it: else writing would crash."""
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return rows


def load(pair: Pair, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads a pair at the network's size: (S, S, 3) uint8 RGB, and (S, S) uint8, 0 or 1."""
    image, levels = read_resized(pair.image, size), read_levels(pair.mask)
    if problem := find_problem(levels, image.height, image.width):
        raise InputError(f"{pair.mask}: {problem}")
    return image.pixels, resize_mask(levels > 0, size)
