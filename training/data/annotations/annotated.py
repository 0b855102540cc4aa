"""What all annotation formats say: images, and on each of them shapes of some class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

# What an entry raises that is not as its format says.
BROKEN = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    cv2.error,
)


class Shape(NamedTuple):
    """A region that somebody drew.

    Attributes:
        name: of its class.
        draw: given (height, width), its pixels: (height, width) bool.

    A `draw` also parses the shape, and raises one of BROKEN if it is damaged or does not fit the image.
    """

    name: str
    draw: Callable[[int, int], np.ndarray]


class Annotated(NamedTuple):
    """An image of an annotation file.

    Attributes:
        file: its name there, which may be a path or an address.
        size: (height, width) in pixels; None where the file does not say it.
        shapes: those that can be drawn.
        left_out: the kind of each other one, in the words of the file.
    """

    file: str
    size: tuple[int, int] | None
    shapes: list[Shape]
    left_out: list[str]


def parse_size(entry: Mapping[str, Any], height: str, width: str) -> tuple[int, int] | None:
    """The size of an image by the names of its two sides; None unless both are numbers above 0."""
    try:
        size = int(entry[height]), int(entry[width])
    except BROKEN:
        return None
    return size if min(size) > 0 else None
