"""Pixels of more than 8 bits, or of fractions, to 8 bits: by the range that is used."""

from __future__ import annotations

import cv2
import numpy as np

BITS = (8, 10, 12, 14, 16, 32)  # that cameras and programs use; they store 10 to 14 in 16
MIN_BRIGHT = 0.125  # of the range of fractions: the brightest pixel of a photograph is above it


def bits_in_use(pixels: np.ndarray) -> int:
    """The fewest of BITS that hold the largest of non-negative whole numbers."""
    largest = int(pixels.max())
    return next(bits for bits in BITS if largest < 1 << bits)


def invert(pixels: np.ndarray) -> np.ndarray:
    """White for black and black for white, in the range that is used."""
    return ((1 << bits_in_use(pixels)) - 1 - pixels.astype(np.int64)).astype(pixels.dtype)


def to_bytes(pixels: np.ndarray, white: int = 0) -> np.ndarray:
    """Turns pixels of any type of number into 8 bits.

    Whole numbers lose their low bits. Fractions reach up to 1, 255 or 65535.

    Args:
        white: the level that a file says is white, if it says so; 0: unknown. The largest of some BITS is
            ignored: many programs write 65535 whatever they use of it.

    Returns:
        uint8, of the same shape.

    Raises:
        ValueError: the range is none of these; the message says which it is.
    """
    if pixels.dtype == np.uint8:
        return pixels
    low, high = pixels.min(), pixels.max()
    if np.issubdtype(pixels.dtype, np.integer):
        if low < 0:
            raise ValueError(f"has levels below 0, down to {low}")
        if white and white + 1 not in {1 << bits for bits in BITS}:
            return cv2.convertScaleAbs(pixels, alpha=255 / white)
        return (pixels >> (bits_in_use(pixels) - 8)).astype(np.uint8)
    for top in (1.0, 255.0, 65535.0):
        if low >= 0 and MIN_BRIGHT * top <= high <= top:
            return np.rint(pixels * (255 / top)).astype(np.uint8)
    if low == high == 0:
        return pixels.astype(np.uint8)
    raise ValueError(f"has fractions from {low:g} to {high:g}, not from 0 to 1, 255 or 65535")
