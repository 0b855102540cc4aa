"""What all annotation formats say: images, and on each of them shapes of some class."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """A region that somebody drew.

    Attributes:
        name: of its class.
        draw: given (height, width), its pixels: (height, width) bool.

    A `draw` raises ValueError if the shape does not fit the image.
    """

    name: str
    draw: Callable[[int, int], np.ndarray]


class Annotated(NamedTuple):
    """An image of an annotation file; `file` is its name there, which may be a path or an address."""

    file: str
    height: int
    width: int
    shapes: list[Shape]
