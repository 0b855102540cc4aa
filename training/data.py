"""The data set as training sees it: resized once into memory-mapped arrays, then batches."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from inference.command import InputError, track
from inference.files import index_images, index_masks, replacing
from inference.pixels import read_image, read_mask, resize, resize_mask
from inference.stream import map_ahead
from training.augment import AUGMENTATIONS
from training.config import TrainConfig

SPLITS = ("train", "valid", "test")


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


def build_cache(data: Path, split: str, size: int, workers: int = 0) -> list[str]:
    """Resizes a split's images and masks into two arrays, unless they are there and newer.

    Returns:
        The names of the images, sorted: the order of the arrays.

    Raises:
        InputError: a folder is missing, or images and masks are not one to one.
    """
    folder = data / split
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make the data set with training.prepare")
    images, masks = index_images(folder), index_masks(data / f"{split}_GT")
    names = sorted(images)
    if alone := sorted(images.keys() ^ masks.keys()):
        raise InputError(
            f"{folder}: {alone[0]} has an image or a mask, but not both; delete or add one"
        )
    paths = cache_paths(data, split, size)
    if all(is_current(path, len(names), folder) for path in paths):
        return names
    with locked(paths[0].parent):
        # Another process may have been at it meanwhile: one of the same run, or of another.
        if not all(is_current(path, len(names), folder) for path in paths):
            write_cache(paths, names, images, masks, size, workers or os.cpu_count() or 1)
    return names


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder against all other processes; it goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_cache(
    paths: tuple[Path, Path],
    names: list[str],
    images: dict[str, Path],
    masks: dict[str, Path],
    size: int,
    workers: int,
) -> None:
    """Reads and resizes images and masks into the two arrays of a cache."""

    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        image, mask = read_image(images[name]), read_mask(masks[name])
        return resize(image, size), resize_mask(mask, size)

    with (
        replacing(paths[0]) as image_file,
        replacing(paths[1]) as mask_file,
        ThreadPoolExecutor(workers) as pool,
    ):
        shape = (len(names), size, size)
        image_rows = np.lib.format.open_memmap(image_file, "w+", np.uint8, (*shape, 3))
        mask_rows = np.lib.format.open_memmap(mask_file, "w+", np.uint8, shape)
        loaded = map_ahead(pool, load, names, ahead=4 * workers)
        progress = track(loaded, f"caching {paths[0].stem}", len(names))
        for row, (image, mask) in enumerate(progress):
            image_rows[row], mask_rows[row] = image, mask


def is_current(path: Path, images: int, folder: Path) -> bool:
    """True if a cache file is there, of so many images, and no younger than the folder it is of."""
    if not path.is_file() or path.stat().st_mtime < folder.stat().st_mtime:
        return False
    return len(np.load(path, mmap_mode="r")) == images


class Batches:
    """Shuffled, augmented batches of one epoch after another; a call yields those of one.

    Every image's chances come from (seed, epoch, image) alone, and the order of an epoch from (seed,
    epoch): neither the number of workers nor of ranks nor an interruption changes them. What does not
    fill a last batch waits for another epoch.

    Args:
        rank, ranks: this process and how many there are. Each makes an equal share of every batch.

    Raises:
        InputError: a batch cannot be shared out evenly.
    """

    def __init__(self, split: Split, config: TrainConfig, rank: int, ranks: int) -> None:
        parts = ranks * config.accumulate
        if config.batch_size % parts or len(split) < parts:
            raise InputError(
                f"--batch-size {config.batch_size} of {len(split)} images: must divide by {parts}, "
                "devices times --accumulate; change it"
            )
        self._split, self._rank, self._ranks = split, rank, ranks
        self._batch = min(config.batch_size, len(split) // parts * parts)
        self._share = self._batch // parts
        self._parts = config.accumulate
        self._seed, self._workers = config.seed, max(1, config.workers)
        self._augment = AUGMENTATIONS[config.augmentation]
        cv2.setNumThreads(1)  # several images at once, not several threads for one

    def __len__(self) -> int:
        """Steps an epoch."""
        return len(self._split) // self._batch

    def __call__(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields this rank's share of each batch from step `first` on, in as many parts as are asked for.

        Yields:
            (B, S, S, 3) uint8 RGB images and (B, S, S) uint8 masks, 0 or 1.
        """
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._split))
        batches = order[: len(self) * self._batch].reshape(len(self), self._batch)[first:]
        own = batches[:, self._rank :: self._ranks].reshape(-1, self._share)
        with ThreadPoolExecutor(self._workers) as pool:
            draw = partial(self._draw, epoch)
            yield from map_ahead(pool, draw, own, ahead=2 * self._workers)

    def _draw(self, epoch: int, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        images = np.empty((len(rows), *self._split.images.shape[1:]), np.uint8)
        masks = np.empty((len(rows), *self._split.masks.shape[1:]), np.uint8)
        for place, row in enumerate(rows):
            rng = np.random.default_rng([self._seed, epoch, row])
            images[place], masks[place] = self._augment(
                rng, self._split.images[row], self._split.masks[row]
            )
        return torch.from_numpy(images), torch.from_numpy(masks)


def in_order(
    split: Split, batch_size: int, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[np.ndarray, Tensor, np.ndarray]]:
    """Every image once over all ranks, unchanged.

    Yields:
        (B,) rows of the split, (B, S, S, 3) uint8 images and (B, S, S) uint8 masks.
    """
    own = np.arange(rank, len(split), ranks)
    for start in range(0, len(own), batch_size):
        rows = own[start : start + batch_size]
        yield rows, torch.from_numpy(split.images[rows]), split.masks[rows]
