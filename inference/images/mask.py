"""What a mask is: the one rule by which every command reads the files of masks.

A mask file holds one channel of levels, however it is stored: grey, a palette, RGB or RGBA whose channels
agree, black and one colour, 1 to 16 bits. A score takes levels above 128 for lesion, as the official
scorer of the challenge does; training, which must not learn from a misread file, takes levels that can
mean one thing only.
"""

from __future__ import annotations

import numpy as np

from inference.images.mask_levels import MaskLevels

LESION = 128  # levels above it are lesion
CHANNELS_AGREE = 3  # levels by which channels of one grey may differ after compression
SOFT = 32  # levels from 0 or 255 that are still near them
MIN_NEAR = 0.9  # share of the pixels of a mask with soft edges that are near 0 or 255
MIN_SOFT_LEVELS = 8  # fewer levels between are labels of several classes, unless the file is lossy
LOSSY = frozenset(".jpg .jpeg .jpe .jfif .webp .jp2 .avif".split())

PLAIN, ZERO_ONE, SOFT_EDGES = "0 and 255", "only 0 and 1", "soft edges, cut at 128"


def to_levels(pixels: np.ndarray) -> np.ndarray:
    """Turns decoded pixels of a mask into one channel.

    Args:
        pixels: (H, W) or (H, W, 3), any type of numbers.

    Returns:
        (H, W) uint8; levels of more than 8 bits become 0 and 255, but 0 and 1 stay.

    Raises:
        ValueError: the pixels have no single channel; the message says why.
    """
    if pixels.ndim == 3:
        pixels = merge_channels(pixels)
    if pixels.dtype == np.uint8:
        return pixels
    found = np.unique(pixels)
    if set(found.tolist()) <= {0, 1}:
        return pixels.astype(np.uint8)
    if len(found) > 2 or found[0] != 0:
        raise ValueError(
            f"has {len(found)} levels of {pixels.dtype}, from {found[0]} to {found[-1]}"
        )
    return np.where(pixels > 0, 255, 0).astype(np.uint8)


def merge_channels(pixels: np.ndarray) -> np.ndarray:
    """The channel on which all agree, or 0 where (H, W, 3) pixels are black and 255 where coloured.

    Raises:
        ValueError: there are other colours than black and one more.
    """
    if np.ptp(pixels.astype(np.int32), axis=2).max() <= CHANNELS_AGREE:
        return pixels[..., 1]
    lesion = pixels.any(axis=2)
    coloured = pixels[lesion]
    if (coloured != coloured[0]).any():
        raise ValueError("has 3 channels that differ, and more colours than black and one other")
    return np.where(lesion, 255, 0).astype(np.uint8)


def undo_spread(levels: np.ndarray, bits: int) -> np.ndarray:
    """The levels 0 and 1 of a grey file of 2 or 4 bits, which decoders spread over 0 to 255.

    Args:
        levels: (H, W) uint8 as decoded.
        bits: of a pixel in the file, at most 8.

    Returns:
        (H, W) uint8: 0 and 1 if the file holds no other levels; else the same levels, as 255 is then its
        largest level, or the mask means several things.
    """
    one = 255 // ((1 << bits) - 1)
    return (levels > 0).astype(np.uint8) if levels.max() == one < 255 else levels


def to_lesion(levels: np.ndarray, mask_levels: MaskLevels | None) -> np.ndarray:
    """The lesion as scores take it: above 128, or with "01" also 1 in a mask that holds only 0 and 1.

    Args:
        levels: (H, W) uint8.

    Returns:
        (H, W) bool.
    """
    if mask_levels == "01" and levels.max() <= 1:
        return levels > 0
    return levels > LESION


def understand_levels(levels: np.ndarray, suffix: str) -> str | None:
    """How levels can be meant without a doubt: PLAIN, ZERO_ONE or SOFT_EDGES; None: in no way.

    Args:
        levels: (H, W) uint8.
        suffix: of the file, such as ".jpg": compression blurs levels.
    """
    found = np.flatnonzero(np.bincount(levels.ravel(), minlength=256)).tolist()
    if set(found) <= {0, 255}:
        return PLAIN
    if set(found) <= {0, 1}:
        return ZERO_ONE
    lossy = suffix.lower() in LOSSY
    near = np.mean((levels <= SOFT) | (levels >= 255 - SOFT))
    if max(found) >= 255 - SOFT and near >= MIN_NEAR and (lossy or len(found) >= MIN_SOFT_LEVELS):
        return SOFT_EDGES
    return None
