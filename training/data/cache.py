"""Images and masks resized once into memory-mapped arrays, so that no epoch decodes a file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from inference.cli import track, warn
from inference.errors import InputError
from inference.files import TEMPORARY, cache_folder, replacing
from inference.images.pixels import read_resized, resize_mask
from inference.lock import is_running
from inference.machine import usable_cores
from inference.runtime.pool import Pool
from inference.runtime.stream import map_ahead
from training.data.inspection import read_lesion, stamp_files
from training.data.layout import CACHE, find_split
from training.data.pairs import Pair


class Rows(Protocol):
    """An array on disk, by its rows: a memory map, or chosen rows of several."""

    shape: tuple[int, ...]

    def __getitem__(self, index: Any, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Split:
    """The images and masks of train, valid or test, at one size.

    Attributes:
        names: of the images, in order.
        images: (N, S, S, 3) uint8 RGB, memory-mapped.
        masks: (N, S, S) uint8, 0 or 1, memory-mapped.
    """

    names: list[str]
    images: Rows
    masks: Rows

    def __len__(self) -> int:
        return len(self.names)

    def describe(self) -> dict[str, int]:
        """Number and CRC-32 of images and masks, pixels and names: equal if a run would be the same."""
        crc = zlib.crc32("\n".join(self.names).encode(errors="surrogateescape"))
        for rows in (self.images, self.masks):
            for row in range(len(self)):
                crc = zlib.crc32(rows[row].tobytes(), crc)
        return {"images": len(self), "checksum": crc}


@dataclass(frozen=True)
class CacheFiles:
    """A split's arrays, and a record of the files that they were made of."""

    images: Path
    masks: Path
    record: Path


def open_split(data: Path, split: str, size: int, workers: int = 0) -> Split:
    """Opens a split's cache, after making it if it is missing, out of date or damaged.

    The cache is in the data set, or in the user's own cache folder if the data set cannot be written.

    Args:
        size: side of the images and masks, in pixels.
        workers: threads that read images; 0: all cores.

    Raises:
        InputError: `data` is not a folder of `training.prepare`, or a pair is broken.
    """
    pairs = find_split(data, split)
    stamps = {pair.key: stamp_files(pair) for pair in pairs}
    workers = workers or usable_cores()
    places = [cache_files(folder, split, size) for folder in (data / CACHE, personal_cache(data))]
    files = next((files for files in places if is_current(files, stamps)), None)
    if files is None:
        files, elsewhere = places
        try:
            make_cache(files, pairs, stamps, size, workers)
        except OSError as error:
            if not is_read_only(error, files.record.parent):
                raise
            files = elsewhere
            try:
                made = make_cache(files, pairs, stamps, size, workers)
            except OSError as second:
                raise InputError(
                    f"{data}: cannot be written, nor can a cache elsewhere ({second}); set "
                    "the environment variable XDG_CACHE_HOME to a folder that can be written"
                ) from second
            if made:
                warn(f"{data}: cannot be written; its {split} images are cached in {files.images}")
    names = [pair.key for pair in pairs]
    return Split(names, np.load(files.images, mmap_mode="r"), np.load(files.masks, mmap_mode="r"))


def cache_files(folder: Path, split: str, size: int) -> CacheFiles:
    """The paths of a split's cache."""
    stem = f"{split}-{size}"
    return CacheFiles(
        folder / f"{stem}-images.npy", folder / f"{stem}-masks.npy", folder / f"{stem}.json"
    )


def personal_cache(data: Path) -> Path:
    """A folder of the data set's own among the user's caches."""
    path = data.resolve()
    return cache_folder() / f"{path.name}-{zlib.crc32(os.fsencode(path)):08x}"


def is_read_only(error: OSError, folder: Path) -> bool:
    """True if an error says that the folder must not be written."""
    denied = error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
    return denied and Path(os.fsdecode(error.filename or "")).is_relative_to(folder)


def is_current(files: CacheFiles, stamps: dict[str, str]) -> bool:
    """True if the arrays exist, are whole, and were made of exactly these files."""
    try:
        record = json.loads(files.record.read_text())
        # As lists: the order is that of the rows in the arrays.
        if list(record["files"].items()) != list(stamps.items()):
            return False
        found = [checksum(path) for path in (files.images, files.masks)]
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return False
    if found != record.get("checksums"):
        warn(f"{files.images.parent}: the cache {files.record.stem} is damaged; making it again")
        return False
    return True


def checksum(path: Path) -> int:
    """CRC-32 of a file, by memory map: a second for 1 to 3 GB, which are then at hand for training."""
    return zlib.crc32(np.memmap(path, np.uint8, "r").data)


def make_cache(
    files: CacheFiles, pairs: list[Pair], stamps: dict[str, str], size: int, workers: int
) -> bool:
    """Makes a split's cache; False if another process, of this run or another, has made it meanwhile."""
    with locked(files.record.parent):
        if is_current(files, stamps):
            return False
        checksums = write_arrays(files, pairs, size, workers)
        with replacing(files.record) as temporary:
            temporary.write_text(json.dumps({"files": stamps, "checksums": checksums}))
            synchronise(temporary)
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder against other processes; the kernel frees it when this one dies.

    It spares processes of one machine double work. Machines on a shared disk may not see each other's
    lock: both then write the same cache under names of their own, and the last to rename it wins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network's disk without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        for leftover in folder.iterdir():
            match = TEMPORARY.fullmatch(leftover.name)  # this machine's
            if match and not is_running(int(match[1])):
                leftover.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def write_arrays(files: CacheFiles, pairs: list[Pair], size: int, workers: int) -> list[int]:
    """Writes the two arrays of a cache, and returns their checksums."""
    shape = (len(pairs), size, size)
    with (
        replacing(files.images) as image_file,
        replacing(files.masks) as mask_file,
        Pool(workers) as pool,
    ):
        image_rows = allocate(image_file, (*shape, 3))
        mask_rows = allocate(mask_file, shape)
        loaded = map_ahead(pool, partial(load_pair, size=size), pairs, ahead=4 * workers)
        doing = f"caching {files.record.stem}"
        for row, (image, mask) in enumerate(track(loaded, doing, len(pairs))):
            image_rows[row], mask_rows[row] = image, mask
        for rows, path in ((image_rows, image_file), (mask_rows, mask_file)):
            rows.flush()
            synchronise(path)
        return [checksum(image_file), checksum(mask_file)]


def synchronise(path: Path) -> None:
    """Waits until a file is on the disk: renamed before, it could be there with nothing in it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def allocate(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """Makes a memory-mapped uint8 array, its disk space reserved: writing without space would crash."""
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return rows


def load_pair(pair: Pair, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads a pair and resizes it: (S, S, 3) uint8 RGB, and (S, S) uint8, 0 or 1."""
    image = read_resized(pair.image, size)
    return image.pixels, resize_mask(read_lesion(pair.mask, image.height, image.width), size)


def remark_on_inversion(splits: Sequence[Split]) -> list[str]:
    """A line if most masks are lesion along the border of the image, and less so in its middle."""
    inverted = count = 0
    for split in splits:
        for row in range(len(split)):
            mask = split.masks[row]
            edge = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1])).mean()
            third = len(mask) // 3
            inverted += bool(edge > 0.5 and mask[third:-third, third:-third].mean() < edge)
            count += 1
    if 2 * inverted <= count:
        return []
    return [
        f"{inverted} of {count} masks are lesion along the border and less in the middle: they look "
        "inverted; lesion must be white (255), skin black"
    ]
