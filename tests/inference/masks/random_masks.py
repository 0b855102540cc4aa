"""Masks of every kind, by chance."""

from __future__ import annotations

import cv2
import numpy as np


def random_masks(count: int) -> list[np.ndarray]:
    """Masks of specks and of blobs, empty and full ones among them."""
    rng = np.random.default_rng(0)
    masks = [np.zeros((5, 7), bool), np.ones((5, 7), bool), np.ones((1, 1), bool)]
    for number in range(count):
        height, width = rng.integers(1, 40, 2)
        field = rng.standard_normal((height, width)).astype(np.float32)
        if number % 2:
            field = cv2.GaussianBlur(field, (0, 0), 1.5)
        masks.append(field > 0.5 * field.std() * rng.standard_normal())
    return masks
