"""Random fields and patterns that skin and lesions are painted from; all of (H, W), in float32."""

from __future__ import annotations

import math

import cv2
import numpy as np

Shape = tuple[int, int]


def noise(rng: np.random.Generator, shape: Shape, cell: float, octaves: int = 1) -> np.ndarray:
    """Smooth random field, about N(0, 1), with blobs of `cell` pixels: (H, W) float32."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        grid = rng.standard_normal((int(height / step) + 2, int(width / step) + 2), np.float32)
        total += 0.5**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def furrows(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    """Noise drawn out along a random direction: (H, W) float32."""
    height, width = shape
    side = int(math.hypot(height, width)) + 1
    grid = rng.standard_normal((int(side / cell) + 2, int(side / cell / 9) + 2), np.float32)
    field = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(0, 180), 1.0)
    return cv2.getRectSubPix(
        cv2.warpAffine(field, turn, (side, side)), (width, height), (side / 2, side / 2)
    )


def cells(rng: np.random.Generator, shape: Shape, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Scatters points and divides the frame among them (Voronoi).

    Returns:
        distance: to the nearest point, in units of their mean spacing; (H, W) float32.
        mesh: about 1 on the borders between neighbours, 0 away from them; (H, W) float32.
    """
    height, width = shape
    grid = np.mgrid[0 : height / spacing, 0 : width / spacing].reshape(2, -1)
    rows, columns = ((grid + rng.uniform(0, 1, grid.shape)) * spacing).astype(int)
    free = np.ones(shape, np.uint8)
    free[rows.clip(0, height - 1), columns.clip(0, width - 1)] = 0
    distance, owner = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5)
    border = np.zeros(shape, np.float32)
    border[1:, 1:] = (owner[1:, 1:] != owner[:-1, 1:]) | (owner[1:, 1:] != owner[1:, :-1])
    softness = max(0.8, 0.1 * spacing)
    return distance / spacing, cv2.GaussianBlur(border, (0, 0), softness) * (2 * softness)


def ramp(field: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rises smoothly from 0 where `field` is at most `low` to 1 where it is at least `high`."""
    rise = np.clip((field - low) / (high - low), 0, 1)
    return rise * rise * (3 - 2 * rise)
