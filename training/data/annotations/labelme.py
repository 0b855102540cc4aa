"""labelme's JSON, one file an image: polygons, rectangles, circles and masks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from pathlib import PureWindowsPath
from typing import Any

import cv2
import numpy as np

from training.data.annotations.annotated import Annotated, Shape
from training.data.annotations.polygons import polygon

CORNERS = 256  # of the polygon that stands for a circle


def read_labelme(content: dict[str, Any]) -> Annotated:
    """Reads a parsed file; lines and points outline nothing and are left out."""
    shapes = [
        Shape(str(entry["label"]), draw)
        for entry in content["shapes"]
        if (draw := read_shape(entry)) is not None
    ]
    size = int(content["imageHeight"]), int(content["imageWidth"])
    # Files from Windows have its separators.
    return Annotated(PureWindowsPath(str(content["imagePath"])).name, *size, shapes)


def read_shape(entry: dict[str, Any]) -> Callable[[int, int], np.ndarray] | None:
    """What draws a shape; None for one without an area."""
    points = entry["points"]
    match entry.get("shape_type", "polygon"):
        case "polygon":
            return polygon(points)
        case "rectangle":
            (left, top), (right, bottom) = points
            return polygon([[left, top], [right, top], [right, bottom], [left, bottom]])
        case "circle":
            centre, rim = np.array(points, float)
            angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
            around = np.column_stack((np.cos(angles), np.sin(angles)))
            return polygon((centre + np.hypot(*(rim - centre)) * around).tolist())
        case "mask":
            return partial(paste, entry["mask"], *(round(number) for number in points[0]))
        case _:
            return None


def paste(mask: str, left: int, top: int, height: int, width: int) -> np.ndarray:
    """Decodes a mask, base64 of a PNG of the box that begins at (left, top): (height, width) bool."""
    encoded = np.frombuffer(base64.b64decode(mask), np.uint8)
    box = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    if (
        box is None
        or left < 0
        or top < 0
        or left + box.shape[1] > width
        or top + box.shape[0] > height
    ):
        raise ValueError(
            f"a mask at ({left}, {top}) that is not a PNG, or reaches beyond the image"
        )
    whole = np.zeros((height, width), bool)
    whole[top : top + box.shape[0], left : left + box.shape[1]] = box > 0
    return whole
