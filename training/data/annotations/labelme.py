"""labelme's JSON, one file an image: polygons, rectangles, circles and masks."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import PureWindowsPath
from typing import Any

import cv2
import numpy as np

from training.data.annotations.annotated import Annotated, Shape, parse_size
from training.data.annotations.polygons import fill_ellipse, fill_polygon

DRAWN = ("polygon", "rectangle", "circle", "mask")


def read_labelme(content: dict[str, Any]) -> Annotated:
    """Reads a parsed file; lines and points outline nothing and are left out."""
    shapes, left_out = [], []
    for entry in content["shapes"]:
        kind = entry.get("shape_type") or "polygon"  # early files say null
        if kind in DRAWN:
            shapes.append(Shape(str(entry["label"]), partial(fill_shape, kind, entry)))
        else:
            left_out.append(str(kind))
    size = parse_size(content, "imageHeight", "imageWidth")
    # Files from Windows have its separators.
    return Annotated(PureWindowsPath(str(content["imagePath"])).name, size, shapes, left_out)


def fill_shape(kind: str, entry: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Fills a shape of a kind in DRAWN: (height, width) bool."""
    points = entry["points"]
    if kind == "mask":
        (left, top), *_ = points
        return paste(entry["mask"], round(left), round(top), height, width)
    if kind == "circle":
        centre, rim = np.array(points, float)
        return fill_ellipse(centre, [np.hypot(*(rim - centre))] * 2, 0, height, width)
    if kind == "rectangle" and len(points) == 2:  # X-AnyLabeling lists all four corners
        (left, top), (right, bottom) = points
        points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return fill_polygon(points, height, width)


def paste(mask: str, left: int, top: int, height: int, width: int) -> np.ndarray:
    """Decodes a mask, base64 of a PNG of the box that begins at (left, top): (height, width) bool."""
    encoded = np.frombuffer(base64.b64decode(mask), np.uint8)
    box = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE) if len(encoded) else None
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
