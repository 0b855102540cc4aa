"""Parity of an exported model with the network it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from inference.errors import InputError
from inference.images.folders import find_images
from inference.images.pixels import read_resized, resize
from training.synthetic.lesion import make_lesion

MAX_DIFFERENCE = 1e-4  # of probability, at any pixel
MIN_IOU = 0.999  # of the masks of all images together
IMAGES = 4
BATCHES = (slice(0, 1), slice(1, 4))  # one image alone, and three at once


class ParityError(InputError):
    """The exported model does not compute what the network computes."""


def load_samples(images: Path | None, size: int) -> np.ndarray:
    """Images to verify on: the first of a folder, or synthetic lesions.

    Returns:
        (IMAGES, size, size, 3) uint8 RGB.
    """
    if images is None:
        rngs = (np.random.default_rng(seed) for seed in range(IMAGES))
        return np.stack([resize(make_lesion(rng, 240, 320)[0], size) for rng in rngs])
    paths = [path for path, _ in find_images([images])[:IMAGES]]
    # A smaller folder is read again from its start.
    chosen = (paths[number % len(paths)] for number in range(IMAGES))
    return np.stack([read_resized(path, size).pixels for path in chosen])


def verify(
    network: nn.Module,
    exported: Callable[[np.ndarray], np.ndarray],
    samples: np.ndarray,
    threshold: float,
) -> float:
    """Compares probabilities and masks on batches of one and of three images.

    Args:
        network: (N, S, S, 3) uint8 -> (N, S, S) probability.
        exported: the same for arrays.
        samples: (IMAGES, S, S, 3) uint8 RGB.
        threshold: of probability, for the masks.

    Returns:
        The largest difference in probability.

    Raises:
        ParityError: the difference is not below MAX_DIFFERENCE, or the IoU not above MIN_IOU.
    """
    with torch.no_grad():
        pairs = [
            (network(torch.from_numpy(samples[batch])).numpy(), exported(samples[batch]))
            for batch in BATCHES
        ]
    expected, found = (np.concatenate(maps) for maps in zip(*pairs))
    difference = float(np.abs(expected - found).max())
    iou = mask_iou(expected > threshold, found > threshold)
    # Written so that a NaN fails.
    if not (difference < MAX_DIFFERENCE and iou > MIN_IOU):
        raise ParityError(
            f"the exported model differs from the network: probability by {difference:.2g} (must be "
            f"below {MAX_DIFFERENCE}), mask IoU {iou:.5f} (must be above {MIN_IOU}); nothing was written"
        )
    return difference


def mask_iou(expected: np.ndarray, found: np.ndarray) -> float:
    """Intersection over union of two boolean arrays, all images together; 1 where both are empty."""
    either = np.count_nonzero(expected | found)
    return np.count_nonzero(expected & found) / either if either else 1.0
