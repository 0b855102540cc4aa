"""Probabilities to masks, at the image's own size."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Keeps the largest 8-connected region of a (H, W) bool mask; an empty mask stays empty.

    Of two that are equally large, the one that begins further up stays, then further left. Outlines
    tell all that is needed, at a hundredth of the cost of labelling every pixel.
    """
    outlines, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if len(outlines) <= 1:
        return mask
    holes: dict[int, list[int]] = {}  # of each region
    areas: dict[int, int] = {}
    for i, parent in enumerate(tree[0, :, 3].tolist()):  # regions come before their holes
        if parent < 0:
            holes[i], areas[i] = [], count_enclosed(outlines[i], is_hole=False)
        else:
            holes[parent].append(i)
            areas[parent] -= count_enclosed(outlines[i], is_hole=True)

    def rank(region: int) -> tuple[int, int, int]:
        left, top = outlines[region][0, 0]
        return -areas[region], top, left

    largest = min(areas, key=rank)
    return draw([outlines[i] for i in (largest, *holes[largest])], mask)


def count_enclosed(outline: np.ndarray, is_hole: bool) -> int:
    """Counts the pixels inside an outline of `cv2.findContours`, by Pick's theorem.

    A region's outline is its own outermost pixels, and is counted; a hole's is the pixels around it,
    and is not.

    Args:
        outline: (N, 1, 2) int32, every step of it.
    """
    steps = len(outline) if len(outline) > 1 else 0
    return round(cv2.contourArea(outline) + (-steps if is_hole else steps) / 2) + 1


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fills the 4-connected background of a (H, W) bool mask that does not reach the frame's edge."""
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return draw(outlines, mask)


def draw(outlines: Sequence[np.ndarray], like: np.ndarray) -> np.ndarray:
    """Draws outlines, filled but for those inside another, as a mask: (H, W) bool, as `like`."""
    drawn = np.zeros(like.shape, np.uint8)
    return cv2.drawContours(drawn, outlines, -1, 1, cv2.FILLED).view(bool)
