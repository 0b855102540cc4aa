"""BMP files: OpenCV takes old ones for grey, and takes channels for blue, green, red in any order."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from inference.images.codecs.tiff import ANY

OS2_HEADER = 12  # bytes of the header of OS/2
SHORT_HEADERS = frozenset((40, 52))  # those whose masks OpenCV does not look at
BITFIELDS = 3  # a kind of compression: masks say which bits hold red, green and blue
BGR_MASKS, RGB_MASKS, NO_MASKS = (0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000), (0, 0, 0)


def decode_bmp(data: bytes) -> np.ndarray | None:
    """Decodes a BMP file.

    Returns:
        (H, W) or (H, W, 3) uint8 BGR; None if OpenCV cannot read it.

    Raises:
        ValueError: its channels lie in bits that OpenCV would take for others.
        cv2.error: OpenCV refuses it.
    """
    size = int.from_bytes(data[14:18], "little")
    masks = read_masks(data) if size in SHORT_HEADERS else NO_MASKS
    if masks not in (BGR_MASKS, RGB_MASKS, NO_MASKS):
        raise ValueError("stores its channels in bits of its own choice")
    flags = cv2.IMREAD_COLOR if size == OS2_HEADER else ANY
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None or masks != RGB_MASKS or pixels.ndim == 2:
        return pixels
    return np.ascontiguousarray(pixels[..., ::-1])


def read_masks(data: bytes) -> tuple[int, ...]:
    """The masks of red, green and blue in a BMP of 32 bits; NO_MASKS if it has none."""
    if len(data) < 66 or struct.unpack_from("<HI", data, 28) != (32, BITFIELDS):
        return NO_MASKS
    return struct.unpack_from("<3I", data, 54)
