"""Probabilities to masks, at the image's own size."""

from __future__ import annotations

import cv2
import numpy as np

from inference.contract import Contract


def make_mask(probability: np.ndarray, height: int, width: int, contract: Contract) -> np.ndarray:
    """Turns one probability map into the mask that the contract asks for.

    Args:
        probability: (S, S) float32 in [0, 1], at the model's size.
        height, width: the image's own size; the map is stretched to it (bilinear), then cut.

    Returns:
        (height, width) bool.
    """
    mask = stretch(probability, height, width) > contract.threshold
    if contract.largest_region:
        mask = keep_largest_region(mask)
    if contract.fill_holes:
        mask = fill_holes(mask)
    return mask


def stretch(probability: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resize of a probability map: (S, S) float32 -> (height, width) float32."""
    return cv2.resize(probability, (width, height), interpolation=cv2.INTER_LINEAR)


def keep_largest_region(mask: np.ndarray) -> np.ndarray:
    """Keeps the largest 8-connected region of a (H, W) bool mask; an empty mask stays empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    if count <= 2:
        return mask
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fills the background of a (H, W) bool mask that does not reach the frame's edge."""
    # 4-connected background is the counterpart of 8-connected regions.
    _, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    border = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    return ~np.isin(labels, border[border > 0])
