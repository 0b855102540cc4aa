"""How many pixels an image may have: a few hundred bytes can claim to be an image of any size.

OpenCV reads the limit from the environment when it is loaded, so it is set before any `import cv2`.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"
LIMIT = 2**28  # 805 MB in RGB; no camera takes so many
UNITS = {"": 1, "kb": 2**10, "mb": 2**20}  # as OpenCV reads them

_given = os.environ.get(VARIABLE)


def limit_pixels(limit: int) -> None:
    """Sets the limit, unless the user has set one in the environment or OpenCV is already loaded."""
    if _given is None and "cv2" not in sys.modules:
        os.environ[VARIABLE] = str(limit)


class TooLargeError(ValueError):
    """An image has more pixels than `max_pixels`; the message says how many."""


def max_pixels() -> int:
    """The limit in force."""
    text = os.environ.get(VARIABLE, str(LIMIT))
    number = text.rstrip("KkMmBb")
    return int(number) * UNITS[text[len(number) :].lower()]


def require_pixels(height: int, width: int) -> None:
    """Raises TooLargeError for an image of more pixels than the limit in force."""
    if height * width > max_pixels():
        raise TooLargeError(f"{width} x {height} > {max_pixels()}")
