"""Writes images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inference.errors import InputError
from inference.files import write_bytes

JPEG_OPTIONS = (cv2.IMWRITE_JPEG_QUALITY, 92)


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image atomically, in the format of the path's suffix (.jpg, .png, ...).

    Args:
        path: missing folders are made.
        image: (H, W, 3) uint8 RGB, or (H, W) uint8 grey.

    Raises:
        InputError: no encoder for the suffix, or the image is larger than the format allows.
    """
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = JPEG_OPTIONS if path.suffix.lower() == ".jpg" else ()
    # Of the name OpenCV gets the suffix alone: it dies of one that is no UTF-8.
    if not path.suffix.isascii() or not cv2.haveImageWriter(f"image{path.suffix}"):
        raise InputError(f"{path}: no encoder for this format; use .png or .jpg")
    try:
        written, encoded = cv2.imencode(path.suffix, pixels, options)
    except cv2.error:
        written = False
    if not written:  # a JPEG has sides of up to 65500 pixels
        height, width = image.shape[:2]
        raise InputError(
            f"{path}: this format cannot store {width} x {height} pixels; use .png, or a smaller image"
        )
    write_bytes(path, encoded.data)
