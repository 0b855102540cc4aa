"""Batches for training and validation, from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from inference.errors import InputError
from inference.runtime.stream import map_ahead
from training.config import TrainConfig
from training.data.augment import AUGMENTATIONS
from training.data.cache import Split


class Batches:
    """Shuffled, augmented batches; a call yields those of one epoch.

    The random numbers of an image depend on (seed, epoch, image) alone, the order of an epoch on (seed,
    epoch): neither workers nor ranks nor an interruption change them. What does not fill a last batch is
    left out of the epoch.

    Args:
        rank, ranks: index of this process, and their number. Each makes an equal share of every batch.

    Attributes:
        size: images per batch, over all ranks: as configured, or fewer if there are fewer.
        share: images that this rank computes at once.

    Raises:
        InputError: a batch cannot be divided evenly.
    """

    def __init__(self, split: Split, config: TrainConfig, rank: int, ranks: int) -> None:
        parts = ranks * config.accumulate
        if config.batch_size % parts or len(split) < parts:
            raise InputError(
                f"--batch-size {config.batch_size} of {len(split)} images: must be a multiple of "
                f"{parts}, devices times --accumulate; change it"
            )
        self._split, self._rank, self._ranks = split, rank, ranks
        self.size = min(config.batch_size, len(split) // parts * parts)
        self.share = self.size // parts
        self._parts = config.accumulate
        self._seed, self._workers = config.seed, max(1, config.workers)
        self._augment = AUGMENTATIONS[config.augmentation]
        cv2.setNumThreads(1)  # several images at once, not several threads for one

    def __len__(self) -> int:
        """Steps per epoch."""
        return len(self._split) // self.size

    def __call__(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields this rank's share of each batch, from step `first` on, in --accumulate parts.

        Yields:
            (B, S, S, 3) uint8 RGB images and (B, S, S) uint8 masks, 0 or 1.
        """
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._split))
        batches = order[: len(self) * self.size].reshape(len(self), self.size)[first:]
        own = batches[:, self._rank :: self._ranks].reshape(-1, self.share)
        with ThreadPoolExecutor(self._workers) as pool:
            draw = partial(self._draw, epoch)
            yield from map_ahead(pool, draw, own, ahead=2 * self._workers)

    def blank(self) -> Tensor:
        """Black images in the shape of a part of a batch, (B, S, S, 3) uint8."""
        return torch.zeros((self.share, *self._split.images.shape[1:]), dtype=torch.uint8)

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
    """Every image once, unchanged and in order, divided among the ranks.

    Yields:
        (B,) rows of the split, (B, S, S, 3) uint8 images and (B, S, S) uint8 masks.
    """
    own = np.arange(rank, len(split), ranks)
    for start in range(0, len(own), batch_size):
        rows = own[start : start + batch_size]
        yield rows, torch.from_numpy(split.images[rows]), split.masks[rows]
