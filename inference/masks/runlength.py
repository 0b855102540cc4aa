"""Masks as run lengths: where a mask changes, row by row; thousands of numbers instead of millions.

Pixels are numbered as in the scan lines of a PNG file, each of which is one background pixel and the row.
The plain definition, which `find_runs` follows:

    lines = np.pad(mask, ((0, 0), (1, 0))).ravel()  # (H, W) bool -> H * (W + 1)
    edges = np.flatnonzero(np.diff(lines, prepend=False, append=False))

so (y, x) is place y * (W + 1) + 1 + x, and no run continues into the next row.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np


class RunLengths:
    """A mask of (height, width).

    Args:
        edges: places where the mask changes, in any order; two at the same place cancel out.

    Attributes:
        edges: (2 N,) int64, sorted.
        starts, ends: (N,) int64, the first place of each run of lesion, and the first one after it.
    """

    def __init__(self, edges: np.ndarray, height: int, width: int) -> None:
        edges = np.sort(edges, kind="stable")  # fast on what is sorted in parts
        if (edges[1:] == edges[:-1]).any():
            places, counts = np.unique(edges, return_counts=True)
            edges = places[counts % 2 == 1]
        self.edges = edges
        self.starts, self.ends = self.edges[::2], self.edges[1::2]
        self.height, self.width = height, width

    @property
    def stride(self) -> int:
        """Distance from a pixel to the one below."""
        return self.width + 1

    @cached_property
    def area(self) -> int:
        """Number of lesion pixels."""
        return int((self.ends - self.starts).sum())

    def select(self, kept: np.ndarray) -> RunLengths:
        """The runs for which `kept`, (N,) bool, is true."""
        return RunLengths(self.edges.reshape(-1, 2)[kept].ravel(), self.height, self.width)

    def invert(self) -> RunLengths:
        """The complement: `~mask`."""
        before = np.arange(self.height, dtype=np.int64) * self.stride  # each row's background pixel
        edges = np.concatenate((self.edges, before + 1, before + self.stride))
        return RunLengths(edges, self.height, self.width)

    def covers(self, places: np.ndarray) -> np.ndarray:
        """Whether places (N,) are lesion: (N,) bool."""
        return np.searchsorted(self.edges, places, "right") % 2 == 1

    def toggle(self, places: np.ndarray) -> RunLengths:
        """The mask flipped at places (N,), each given once."""
        edges = np.concatenate((self.edges, places, places + 1))
        return RunLengths(edges, self.height, self.width)

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
        """For each run, those of another mask that touch it in the row `down` rows below.

        Returns:
            (N,) int64 each: index of the first, and how many; they are consecutive.
        """
        shift, reach = down * self.stride, int(diagonal)
        first = np.searchsorted(other.ends, self.starts + (shift - reach), "right")
        last = np.searchsorted(other.starts, self.ends + (shift + reach), "left")
        return first, np.maximum(last - first, 0)

    def label(self, diagonal: bool) -> np.ndarray:
        """Labels connected regions, as cv2.connectedComponents does for pixels.

        Args:
            diagonal: whether pixels that touch at a corner are connected: 8-connected, else 4-connected.

        Returns:
            (N,) int64: for each run the index of its region's first run.
        """
        first, count = self.find_touching(self, 1, diagonal)
        above = np.repeat(np.arange(len(count)), count)
        below = np.arange(len(above)) + np.repeat(first - np.cumsum(count) + count, count)
        labels = np.arange(len(count))
        while True:
            # Both take the lower label, then every run takes the label of the run it points to.
            pair = labels[above], labels[below]
            low = np.minimum(*pair)
            if np.array_equal(*pair):
                return labels
            np.minimum.at(labels, pair[0], low)
            np.minimum.at(labels, pair[1], low)
            while not np.array_equal(labels, labels[labels]):
                labels = labels[labels]


def find_runs(mask: np.ndarray) -> RunLengths:
    """The run lengths of a (H, W) bool mask."""
    height, width = mask.shape
    lines = np.zeros(height * (width + 1) + 1, bool)
    lines[:-1].reshape(height, width + 1)[:, 1:] = mask
    return RunLengths(np.flatnonzero(lines[1:] != lines[:-1]) + 1, height, width)
