"""Polygons to pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np


def polygon(points: Sequence[Sequence[float]]) -> Callable[[int, int], np.ndarray]:
    """The `draw` of a polygon; points are (x, y) from the top left corner of the image, in pixels."""
    return partial(fill_polygon, np.array(points, dtype=float).reshape(-1, 2))


def fill_polygon(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fills a polygon by the even-odd rule: the pixels whose centres lie inside.

    Args:
        points: (N, 2) x and y; the top left pixel reaches from (0, 0) to (1, 1).

    Returns:
        (height, width) bool.
    """
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"a polygon of {len(points)} points, or one that is not a number")
    crossings = np.zeros((height, width + 1), bool)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0)):
        top, bottom = sorted((y1, y2))
        # The rows whose middle lies between both ends; a corner belongs to one of its two edges.
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (top, bottom))
        rows = np.arange(first, last)
        if len(rows):
            x = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
            columns = np.clip(np.ceil(x - 0.5), 0, width).astype(int)
            crossings[rows, columns] ^= True
    return np.logical_xor.accumulate(crossings, axis=1)[:, :-1]
