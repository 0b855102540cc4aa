"""Corrections of a mask: strokes of brush and eraser, at the image's own size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np

from inference.contract import is_number
from inference.errors import InputError
from inference.masks.postprocess import find_lesion
from inference.masks.runlength import RunLengths, find_runs
from inference.masks.segmentation import Segmentation

MAX_POINTS = 50_000  # of all strokes
MAX_PLACE = 20_000  # of a point, also one outside the image, in pixels
MAX_RADIUS = 10_000  # OpenCV draws lines of up to 32767
MAX_MILLIMETRES = 1000
MAX_PAINTED = 200  # times the image's area, so that nobody keeps the server painting


class Stroke(NamedTuple):
    """One movement of the brush, or of the eraser.

    Attributes:
        adds: True for the brush.
        radius: in pixels of the image.
        points: (N, 2) int32, x and y in pixels of the image; they may lie outside it.
    """

    adds: bool
    radius: float
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Corrected(Segmentation):
    """A segmentation whose mask a person has corrected; the strokes stay when the threshold moves."""

    strokes: tuple[Stroke, ...] = ()

    @cached_property
    def lesion(self) -> RunLengths:
        """The mask as run lengths: the model's, then the strokes in their order."""
        lesion = find_lesion(self.probability, self.height, self.width, self.contract)
        return find_runs(paint(lesion.mask, self.strokes)) if self.strokes else lesion

    @cached_property
    def expected_jaccard(self) -> float | None:
        """As of the model's outline; None for one that a person has corrected."""
        return None if self.strokes else super().expected_jaccard


def paint(mask: np.ndarray, strokes: Sequence[Stroke]) -> np.ndarray:
    """Paints strokes without smoothing, so that no pixel beyond them changes.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool, a new array.

    Raises:
        InputError: the strokes would take too long.
    """
    if sum(map(measure_work, strokes)) > MAX_PAINTED * max(mask.size, 1_000_000):
        raise InputError("too many strokes: undo some, or use a narrower brush")
    painted = mask.astype(np.uint8)
    for adds, radius, points in strokes:
        width = max(1, round(2 * radius))
        if len(points) == 1:
            points = points.repeat(2, axis=0)  # a dot
        cv2.polylines(painted, [points], False, int(adds), width, cv2.LINE_8)
    return painted.view(bool)


def measure_work(stroke: Stroke) -> float:
    """Pixels that a stroke paints, at most."""
    steps = np.diff(stroke.points, axis=0).astype(np.float64)
    length = float(np.hypot(steps[:, 0], steps[:, 1]).sum())
    return 2 * stroke.radius * (length + 2 * stroke.radius * len(stroke.points))


def read_strokes(given: Any) -> tuple[Stroke, ...]:
    """Strokes as the page sends them: {"strokes": [{"adds": bool, "radius": px, "points": [[x, y]]}]}.

    Raises:
        InputError: it is anything else, or too much.
    """
    try:
        strokes = [
            Stroke(each["adds"], each["radius"], read_points(each["points"]))
            for each in given["strokes"]
        ]
        for adds, radius, _ in strokes:
            if not (isinstance(adds, bool) and is_number(radius) and 0 < radius <= MAX_RADIUS):
                raise ValueError("not a stroke")
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError("strokes that cannot be read: reload the page, and paint again") from error
    if sum(len(points) for _, _, points in strokes) > MAX_POINTS:
        raise InputError("too many strokes: undo some, or use a narrower brush")
    return tuple(strokes)


def read_points(given: Any) -> np.ndarray:
    """Points as (N, 2) int32.

    Raises:
        ValueError, TypeError: they are not pairs of numbers near the image.
    """
    points = np.asarray(given, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError("not points")
    if not (np.abs(points) <= MAX_PLACE).all():
        raise ValueError("not points")
    return np.rint(points).astype(np.int32)


def find_scale(given: Any) -> float:
    """The size of a pixel in mm, by a known length: {"ends": [[x, y], [x, y]], "millimetres": mm}.

    Raises:
        InputError: the ends are one point, or the length is no length.
    """
    try:
        (x, y), (right, below) = read_points(given["ends"])
        pixels, millimetres = math.hypot(right - x, below - y), given["millimetres"]
    except (TypeError, KeyError, ValueError, OverflowError):
        pixels = millimetres = 0
    if pixels < 1:
        raise InputError("a scale of zero length: click two different points")
    if not (is_number(millimetres) and 0 < millimetres <= MAX_MILLIMETRES):
        raise InputError(
            f"the length between the points: must be above 0 and at most {MAX_MILLIMETRES} mm"
        )
    return float(millimetres) / pixels
