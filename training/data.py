"""The data set as training sees it: resized once into memory-mapped arrays, then batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.command import InputError, track
from inference.files import index_images, index_masks, replacing
from inference.pixels import read_mask, read_resized, resize_mask
from inference.stream import map_ahead
from training.augment import augment


@dataclass(frozen=True)
class Split:
    """One part of the data set at one size.

    Attributes:
        names: of the images, sorted.
        images: (N, S, S, 3) uint8 RGB, memory-mapped.
        masks: (N, S, S) uint8, 0 or 1, memory-mapped.
    """

    names: list[str]
    images: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def open_split(data: Path, split: str, size: int) -> Split:
    """Opens a split's cache; makes it first if `training.prepare` was run for another size.

    Raises:
        InputError: `data` is not laid out as `training.prepare` does.
    """
    names = build_cache(data, split, size)
    images, masks = cache_paths(data, split, size)
    return Split(names, np.load(images, mmap_mode="r"), np.load(masks, mmap_mode="r"))


def cache_paths(data: Path, split: str, size: int) -> tuple[Path, Path]:
    """Files of a split's resized images and masks."""
    stem = data / "cache" / f"{split}-{size}"
    return stem.with_name(f"{stem.name}-images.npy"), stem.with_name(f"{stem.name}-masks.npy")


def pair_files(data: Path, split: str) -> dict[str, tuple[Path, Path]]:
    """Maps the names of a split's images, sorted, to the files of image and mask.

    The split's folder in `data` comes first, then those in its sub-folders: the further sources.

    Raises:
        InputError: a folder is missing, or images and masks are not one to one.
    """
    if not (data / split).is_dir():
        raise InputError(f"{data / split}: no such folder; make the data set with training.prepare")
    pairs = {}
    for folder in (data, *sorted(path.parent for path in data.glob(f"*/{split}"))):
        images, masks = index_images(folder / split), index_masks(folder / f"{split}_GT")
        if alone := sorted(images.keys() ^ masks.keys()):
            raise InputError(
                f"{folder / split}: {alone[0]} has an image or a mask, but not both; "
                "delete it or add the other"
            )
        source = "" if folder == data else f"{folder.name}/"
        pairs.update({f"{source}{name}": (images[name], masks[name]) for name in images})
    return pairs


def build_cache(data: Path, split: str, size: int, workers: int = 0) -> list[str]:
    """Resizes a split's images and masks into two arrays, unless they are there and newer.

    Returns:
        The names of the images: the order of the arrays.

    Raises:
        InputError: as `pair_files`.
    """
    pairs = pair_files(data, split)
    names = list(pairs)
    paths = cache_paths(data, split, size)
    folders = {image.parent for image, _ in pairs.values()}
    changed = max(folder.stat().st_mtime for folder in folders)
    if all(is_current(path, len(names), changed) for path in paths):
        return names

    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        image, mask = pairs[name]
        return read_resized(image, size).pixels, resize_mask(read_mask(mask), size)

    workers = workers or os.cpu_count() or 1
    with (
        replacing(paths[0]) as image_file,
        replacing(paths[1]) as mask_file,
        ThreadPoolExecutor(workers) as pool,
    ):
        shape = (len(names), size, size)
        image_rows = np.lib.format.open_memmap(image_file, "w+", np.uint8, (*shape, 3))
        mask_rows = np.lib.format.open_memmap(mask_file, "w+", np.uint8, shape)
        loaded = map_ahead(pool, load, names, ahead=4 * workers)
        progress = track(loaded, f"caching {split}", len(names))
        for row, (image, mask) in enumerate(progress):
            image_rows[row], mask_rows[row] = image, mask
    return names


def is_current(path: Path, images: int, changed: float) -> bool:
    """True if a cache file is there, of so many images, written after their folders changed."""
    if not path.is_file() or path.stat().st_mtime < changed:
        return False
    return len(np.load(path, mmap_mode="r")) == images


def count_batches(images: int, batch_size: int) -> int:
    """How many batches `batches` yields."""
    return images // min(images, batch_size)


def batches(
    split: Split, batch_size: int, seed: int, epoch: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled, augmented batches of one epoch; what does not fill a last one waits for another epoch.

    Every image's chances come from (seed, epoch, image) alone, so neither the number of workers nor
    an interruption changes them.

    Yields:
        (B, S, S, 3) uint8 RGB images and (B, S, S) uint8 masks, 0 or 1.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(split))
    batch_size = min(batch_size, len(split))
    starts = range(0, len(order) - batch_size + 1, batch_size)

    def draw(start: int) -> tuple[Tensor, Tensor]:
        pairs = [
            augment(np.random.default_rng([seed, epoch, i]), split.images[i], split.masks[i])
            for i in order[start : start + batch_size]
        ]
        images, masks = zip(*pairs)
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))

    with ThreadPoolExecutor(max(1, workers)) as pool:
        yield from map_ahead(pool, draw, starts, ahead=2 * max(1, workers))


def in_order(split: Split, batch_size: int) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Every image once, unchanged: (B, S, S, 3) uint8 images and (B, S, S) uint8 masks."""
    for start in range(0, len(split), batch_size):
        rows = slice(start, start + batch_size)
        yield torch.from_numpy(np.array(split.images[rows])), np.array(split.masks[rows])
