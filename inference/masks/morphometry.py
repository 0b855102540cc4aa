"""Measures of a lesion: its size and its shape."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

GRID = 256  # side of the square on which symmetry is judged, in pixels


class Measures(NamedTuple):
    """Measures of one mask. Lengths are in pixels of the image; without a lesion all are 0.

    Attributes:
        area_px, area_percent: area of the lesion; its share of the frame.
        equivalent_diameter_px: of the disc of the same area.
        largest_diameter_px: the largest distance between two of its pixels' centres, plus one pixel.
        perimeter_px: length of the regions' outer outlines, through the pixels' centres.
        compactness: 4 pi area / perimeter**2, at most 1: 1 is a disc.
        asymmetry: share of the lesion that its mirror image does not cover, mean over its two
            principal axes: 0 is symmetric (the A of the ABCD rule; Nachbar et al. 1994).
        border_percent: share of the frame's outermost pixels that are lesion; above 0 it is cut off.
        mean_probability: of the model, over the lesion.
    """

    area_px: int
    area_percent: float
    equivalent_diameter_px: float
    largest_diameter_px: float
    perimeter_px: float
    compactness: float
    asymmetry: float
    border_percent: float
    mean_probability: float


def measure_lesion(mask: np.ndarray, probability: np.ndarray) -> Measures:
    """Measures a mask.

    Args:
        mask: (H, W) bool, at the image's own size.
        probability: (S, S) float32 in [0, 1], at the model's size.
    """
    area = int(np.count_nonzero(mask))
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    perimeter = sum(cv2.arcLength(outline, closed=True) for outline in outlines)
    border = np.concatenate((mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]))
    values = (
        100 * area / mask.size,
        2 * math.sqrt(area / math.pi),
        find_diameter(np.concatenate(outlines)) if outlines else 0.0,
        perimeter,
        min(1.0, 4 * math.pi * area / perimeter**2) if perimeter else float(area > 0),
        find_asymmetry(mask) if area else 0.0,
        100 * float(border.mean()),
        average_inside(mask, probability),
    )
    return Measures(area, *(round(float(value), 4) for value in values))


def find_diameter(points: np.ndarray) -> float:
    """The largest distance between two of (N, 1, 2) points, plus one pixel: from edge to edge."""
    hull = cv2.convexHull(points)[:, 0].astype(np.float64)
    return float(max(np.linalg.norm(hull - point, axis=1).max() for point in hull)) + 1


def find_asymmetry(mask: np.ndarray) -> float:
    """The share of a mask (H, W) that its mirror images about the principal axes miss, 0 to 1."""
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    area = moments["m00"]
    x, y = moments["m10"] / area, moments["m01"] / area
    angle = 0.5 * math.atan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    corners = [(a - x, b - y) for a in (left, left + width) for b in (top, top + height)]
    reach = max(math.hypot(*corner) for corner in corners) + 1
    # Rotated upright about its centre, onto a grid whose size does not depend on the image.
    scale = GRID / 2 / reach
    turn = cv2.getRotationMatrix2D((x, y), math.degrees(angle), scale)
    turn[0, 2] += (GRID - 1) / 2 - x
    turn[1, 2] += (GRID - 1) / 2 - y
    levels = mask.view(np.uint8) * np.uint8(255)
    upright = cv2.warpAffine(levels, turn, (GRID, GRID), flags=cv2.INTER_LINEAR) > 127
    own = max(1, int(np.count_nonzero(upright)))
    uncovered = [int(np.count_nonzero(upright & ~np.flip(upright, axis))) for axis in (0, 1)]
    return sum(uncovered) / (2 * own)


def average_inside(mask: np.ndarray, probability: np.ndarray) -> float:
    """Mean probability over a mask; each pixel of the map counts by the share that the mask covers."""
    height, width = probability.shape
    # In float: 8 bits would round the share of a few pixels in a large image to 0.
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    share = share.astype(np.float64)
    return float((share * probability).sum() / share.sum()) if share.any() else 0.0


def to_millimetres(measures: Measures, mm_per_pixel: float) -> dict[str, float]:
    """The sizes among the measures in mm and mm2."""
    sizes = {"area_mm2": measures.area_px * mm_per_pixel**2}
    for name in ("equivalent_diameter", "largest_diameter", "perimeter"):
        sizes[f"{name}_mm"] = getattr(measures, f"{name}_px") * mm_per_pixel
    return {name: round(size, 4) for name, size in sizes.items()}
