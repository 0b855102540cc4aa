"""Masks as runs: where a mask changes, row by row; thousands of numbers for millions of pixels.

Pixels are counted as in the scan lines of a PNG file, each of which is one background pixel and the row:
(y, x) of a mask (H, W) has the place y * (W + 1) + 1 + x. So no run goes on from one row to the next.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np


class RunLengths:
    """A mask of (height, width).

    Args:
        flips: where the mask changes, in any order; two at the same place cancel each other.

    Attributes:
        flips: (2 N,) int64, in order.
        starts, ends: (N,) int64, the first place of each run of lesion, and the first after it.
    """

    def __init__(self, flips: np.ndarray, height: int, width: int) -> None:
        flips = np.sort(flips, kind="stable")  # quick on what is sorted in parts
        if (flips[1:] == flips[:-1]).any():
            places, counts = np.unique(flips, return_counts=True)
            flips = places[counts % 2 == 1]
        self.flips = flips
        self.starts, self.ends = self.flips[::2], self.flips[1::2]
        self.height, self.width = height, width

    @property
    def stride(self) -> int:
        """From a pixel to the one below."""
        return self.width + 1

    @cached_property
    def area(self) -> int:
        """Pixels of lesion."""
        return int((self.ends - self.starts).sum())

    def select(self, kept: np.ndarray) -> RunLengths:
        """The runs for which `kept`, (N,) bool, is true."""
        return RunLengths(self.flips.reshape(-1, 2)[kept].ravel(), self.height, self.width)

    def invert(self) -> RunLengths:
        """Background for lesion, and lesion for background."""
        before = np.arange(self.height, dtype=np.int64) * self.stride  # each row's background pixel
        flips = np.concatenate((self.flips, before + 1, before + self.stride))
        return RunLengths(flips, self.height, self.width)

    def covers(self, places: np.ndarray) -> np.ndarray:
        """Whether there is lesion at some places: (N,) bool."""
        return np.searchsorted(self.flips, places, "right") % 2 == 1

    def toggle(self, places: np.ndarray) -> RunLengths:
        """Lesion and background exchanged at some places, each given once."""
        flips = np.concatenate((self.flips, places, places + 1))
        return RunLengths(flips, self.height, self.width)

    @cached_property
    def mask(self) -> np.ndarray:
        """(height, width) bool."""
        mask = np.zeros((self.height, self.width), bool)
        pixels = mask.reshape(-1)
        skipped = self.starts // self.stride + 1  # the background before each row
        for start, end in zip((self.starts - skipped).tolist(), (self.ends - skipped).tolist()):
            pixels[start:end] = True
        return mask

    def find_touching(
        self, other: RunLengths, down: int, diagonal: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The runs of another mask that touch each of these in the row `down` rows below.

        Returns:
            (N,) int64 each: number of the first of them, and how many there are; they follow each other.
        """
        shift, reach = down * self.stride, int(diagonal)
        first = np.searchsorted(other.ends, self.starts + (shift - reach), "right")
        last = np.searchsorted(other.starts, self.ends + (shift + reach), "left")
        return first, np.maximum(last - first, 0)

    def label(self, diagonal: bool) -> np.ndarray:
        """Gives the runs of one region the same number: that of its first run.

        Args:
            diagonal: whether pixels that touch at a corner are of one region.

        Returns:
            (N,) int64.
        """
        first, count = self.find_touching(self, 1, diagonal)
        above = np.repeat(np.arange(len(count)), count)
        below = np.arange(len(above)) + np.repeat(first - np.cumsum(count) + count, count)
        labels = np.arange(len(count))
        while True:
            # Both regions take the lower number, then every run that of the run it is named after.
            pair = labels[above], labels[below]
            low = np.minimum(*pair)
            if np.array_equal(*pair):
                return labels
            np.minimum.at(labels, pair[0], low)
            np.minimum.at(labels, pair[1], low)
            while not np.array_equal(labels, labels[labels]):
                labels = labels[labels]


def find_runs(mask: np.ndarray) -> RunLengths:
    """The runs of a (H, W) bool mask."""
    height, width = mask.shape
    lines = np.zeros(height * (width + 1) + 1, bool)
    lines[:-1].reshape(height, width + 1)[:, 1:] = mask
    return RunLengths(np.flatnonzero(lines[1:] != lines[:-1]) + 1, height, width)
