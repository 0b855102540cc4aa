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
from inference.files import replacing
from inference.images.pixels import read_resized, resize_mask
from inference.machine import usable_cores
from inference.runtime.stream import map_ahead
from training.data.inspection import read_lesion, stamp_files
from training.data.layout import CACHE, find_split
from training.data.pairs import Pair


@dataclass(frozen=True)
class Split:
    """The images and masks of train, valid or test, at one size.

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
    """A split's arrays, and the stamps of the files that they were made of."""

    images: Path
    masks: Path
    stamps: Path


def open_split(data: Path, split: str, size: int, workers: int = 0) -> Split:
    """Opens a split's cache, after making it if there is none or a file has changed since.

    Args:
        size: side of the images and masks, in pixels.
        workers: threads that read images; 0: all cores.

    Raises:
        InputError: `data` is not a folder of `training.prepare`, or a pair is broken.
    """
    pairs = find_split(data, split)
    names = [pair.key for pair in pairs]
    files = cache_files(data, split, size)
    stamps = {pair.key: stamp_files(pair) for pair in pairs}
    if not is_current(files, stamps):
        with locked(files.stamps.parent):
            # Another process may have made it meanwhile, of the same run or another.
            if not is_current(files, stamps):
                write_arrays(files, pairs, size, workers or usable_cores())
                with replacing(files.stamps) as temporary:
                    temporary.write_text(json.dumps(stamps))
    return Split(names, np.load(files.images, mmap_mode="r"), np.load(files.masks, mmap_mode="r"))


def cache_files(data: Path, split: str, size: int) -> CacheFiles:
    """The paths of a split's cache."""
    folder, stem = data / CACHE, f"{split}-{size}"
    return CacheFiles(
        folder / f"{stem}-images.npy", folder / f"{stem}-masks.npy", folder / f"{stem}.json"
    )


def is_current(files: CacheFiles, stamps: dict[str, str]) -> bool:
    """True if the arrays exist, are complete, and were made of exactly these files."""
    try:
        made_of = json.loads(files.stamps.read_text())
        whole = [len(np.load(path, mmap_mode="r")) for path in (files.images, files.masks)]
    except (OSError, ValueError, EOFError):
        return False
    # As lists: the order is that of the rows in the arrays.
    return list(made_of.items()) == list(stamps.items()) and whole == [len(stamps)] * 2


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder against other processes; the kernel frees it when this one dies."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for leftover in folder.glob(".*.npy"):  # of a process that was killed here
            leftover.unlink()
        yield
    finally:
        os.close(descriptor)


def write_arrays(files: CacheFiles, pairs: list[Pair], size: int, workers: int) -> None:
    """Writes the two arrays of a cache."""
    shape = (len(pairs), size, size)
    with (
        replacing(files.images) as image_file,
        replacing(files.masks) as mask_file,
        ThreadPoolExecutor(workers) as pool,
    ):
        image_rows = allocate(image_file, (*shape, 3))
        mask_rows = allocate(mask_file, shape)
        loaded = map_ahead(pool, partial(load_pair, size=size), pairs, ahead=4 * workers)
        doing = f"caching {files.stamps.stem}"
        for row, (image, mask) in enumerate(track(loaded, doing, len(pairs))):
            image_rows[row], mask_rows[row] = image, mask


def allocate(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Makes a memory-mapped uint8 array, its disk space reserved: writing without space would crash."""
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return rows


def load_pair(pair: Pair, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads a pair and resizes it: (S, S, 3) uint8 RGB, and (S, S) uint8, 0 or 1."""
    image = read_resized(pair.image, size)
    return image.pixels, resize_mask(read_lesion(pair.mask, image.height, image.width), size)
