"""Averages of several answers: over flips of the image (test-time augmentation), over several models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Compute = Callable[[np.ndarray], np.ndarray]  # (N, S, S, 3) uint8 -> (N, S, S) float32 probability
FLIPS = (
    (),
    (1,),
    (2,),
    (1, 2),
)  # axes of (N, S, S, 3): as it is, top to bottom, left to right, both


def average_flips(compute: Compute, images: np.ndarray) -> np.ndarray:
    """The mean over an image and its flips, each answer flipped back: four times the work.

    Args:
        images: (N, S, S, 3) uint8 RGB.

    Returns:
        (N, S, S) float32 probability.
    """
    return mean(
        [np.flip(compute(np.ascontiguousarray(np.flip(images, axes))), axes) for axes in FLIPS]
    )


def average_models(computes: Sequence[Compute], images: np.ndarray) -> np.ndarray:
    """The mean over several models, shapes as in `average_flips`."""
    return mean([compute(images) for compute in computes])


def mean(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of (N, S, S) float32 probabilities, as float32."""
    return np.stack(probabilities).mean(axis=0, dtype=np.float32)
