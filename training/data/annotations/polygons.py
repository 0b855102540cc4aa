"""Polygons and ellipses to pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

CORNERS = 256  # of the polygon that stands for an ellipse
FARTHEST = 2**31  # no corner lies so many pixels away


def fill_polygon(points: ArrayLike, height: int, width: int) -> np.ndarray:
    """Fills a polygon by the even-odd rule: the pixels whose centres lie inside.

    Args:
        points: (N, 2) x and y; the top left pixel reaches from (0, 0) to (1, 1).

    Returns:
        (height, width) bool.

    Raises:
        ValueError: fewer than three points, or one that is not two numbers.
    """
    points = np.asarray(points, float)
    if len(points) < 3 or points.shape[1:] != (2,) or not (np.abs(points) < FARTHEST).all():
        raise ValueError(f"a polygon of {len(points)} points, or one that is not two numbers")
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


def fill_ellipse(
    centre: Sequence[float] | np.ndarray,
    radii: Sequence[float] | np.ndarray,
    degrees: float,
    height: int,
    width: int,
) -> np.ndarray:
    """Fills an ellipse, turned clockwise around its centre: (height, width) bool.

    Args:
        centre: x and y, in pixels as for polygons.
        radii: along x and y before it is turned.

    Raises:
        ValueError: a radius is below 0, or something is not a number.
    """
    if not min(radii) >= 0:
        raise ValueError(f"an ellipse with the radii {radii[0]} and {radii[1]}")
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))  # y points down
    points = np.column_stack((cos * x - sin * y, sin * x + cos * y)) + centre
    return fill_polygon(points, height, width)
