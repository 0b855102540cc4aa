"""CVAT for images 1.1: polygons, ellipses and masks, https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element

import numpy as np

from training.data.annotations.annotated import Annotated, Shape, parse_size
from training.data.annotations.polygons import fill_ellipse, fill_polygon

DRAWN = ("polygon", "ellipse", "mask")


def read_cvat(root: Element) -> Iterator[Annotated]:
    """Reads a parsed XML file; boxes, lines and points outline nothing and are left out."""
    for image in root.iter("image"):
        shapes = [
            Shape(entry.attrib["label"], partial(fill_shape, entry))
            for entry in image
            if entry.tag in DRAWN
        ]
        left_out = [entry.tag for entry in image if entry.tag not in (*DRAWN, "tag")]
        size = parse_size(image.attrib, "height", "width")
        yield Annotated(image.attrib["name"], size, shapes, left_out)


def fill_shape(entry: Element, height: int, width: int) -> np.ndarray:
    """Fills a <polygon>, an <ellipse> or a <mask>: (height, width) bool."""
    if entry.tag == "polygon":
        points = entry.attrib["points"].rstrip("; ").split(";")
        corners = [[float(number) for number in point.split(",")] for point in points]
        return fill_polygon(corners, height, width)
    if entry.tag == "ellipse":
        x, y, *radii = (float(entry.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
        degrees = float(entry.get("rotation", 0))
        return fill_ellipse((x, y), radii, degrees, height, width)
    left, top, columns, rows = (
        int(float(entry.attrib[side])) for side in ("left", "top", "width", "height")
    )
    counts = [int(count) for count in entry.attrib["rle"].split(",")]
    return fill_box(counts, left, top, columns, rows, height, width)


def fill_box(
    counts: list[int], left: int, top: int, columns: int, rows: int, height: int, width: int
) -> np.ndarray:
    """Decodes CVAT's run lengths: along the rows of a box, background first. (height, width) bool."""
    fits = left >= 0 and top >= 0 and left + columns <= width and top + rows <= height
    if not fits or sum(counts) != rows * columns or min(counts) < 0:
        raise ValueError(
            f"a mask of {columns} x {rows} at ({left}, {top}) whose counts do not add up"
        )
    mask = np.zeros((height, width), bool)
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    mask[top : top + rows, left : left + columns] = values.reshape(rows, columns)
    return mask
