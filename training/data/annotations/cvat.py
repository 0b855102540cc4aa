"""CVAT for images 1.1: polygons and masks, https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from xml.etree.ElementTree import Element

import numpy as np

from training.data.annotations.annotated import Annotated, Shape
from training.data.annotations.polygons import polygon


def read_cvat(root: Element) -> Iterator[Annotated]:
    """Reads a parsed XML file; boxes, lines and points outline nothing and are left out."""
    for image in root.iter("image"):
        shapes = [
            Shape(entry.attrib["label"], read_shape(entry))
            for entry in image
            if entry.tag in ("polygon", "mask")
        ]
        size = int(image.attrib["height"]), int(image.attrib["width"])
        yield Annotated(image.attrib["name"], *size, shapes)


def read_shape(entry: Element) -> Callable[[int, int], np.ndarray]:
    """What draws a <polygon> or a <mask>."""
    if entry.tag == "polygon":
        points = entry.attrib["points"].split(";")
        return polygon([[float(number) for number in point.split(",")] for point in points])
    box = [int(float(entry.attrib[side])) for side in ("left", "top", "width", "height")]
    counts = [int(count) for count in entry.attrib["rle"].split(",")]
    return partial(fill_box, counts, *box)


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
