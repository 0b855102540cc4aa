"""Files to pixels: the only decoder and the only image resize of the project.

Training, export and the app call these functions too, so that a model sees in use what it saw in
training.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inference.command import InputError

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"  # the last chunk and its checksum


def read_image(path: Path) -> np.ndarray:
    """Decodes an image file: upright as its EXIF orientation says, first frame, alpha dropped.

    Grey, palette and CMYK become RGB; 16 bits become 8 by dropping the low byte.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: not an image, or only a part of one.
        OSError: the file cannot be opened.
    """
    return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_mask(path: Path) -> np.ndarray:
    """Decodes a single-channel mask file by the rule of the official ISIC scorer.

    Returns:
        (H, W) bool, True above 128.

    Raises:
        InputError, OSError: as `read_levels`.
    """
    return read_levels(path) > 128


def read_levels(path: Path) -> np.ndarray:
    """Decodes a single-channel mask file, its levels as they are.

    Returns:
        (H, W) uint8.

    Raises:
        InputError: not an image, only a part of one, or more than one channel of 8 bits.
        OSError: the file cannot be opened.
    """
    levels = decode(path, cv2.IMREAD_UNCHANGED)
    if levels.ndim != 2 or levels.dtype != np.uint8:
        channels = 1 if levels.ndim == 2 else levels.shape[2]
        raise InputError(
            f"{path}: has {channels} channel(s) of {levels.dtype}; a mask has one of uint8, 0 or 255; "
            "save it as grey PNG"
        )
    return levels


def decode(path: Path, flags: int) -> np.ndarray:
    """Decodes a file with OpenCV (BGR), refusing what OpenCV would fill up with grey."""
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path}: is empty; copy it again")
    if is_truncated(data):
        raise InputError(f"{path}: ends in the middle of the image; copy it again")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise InputError(f"{path}: cannot be decoded ({error.err}); convert it to PNG") from error
    if pixels is None:
        raise InputError(f"{path}: is not an image that OpenCV can read; convert it to PNG or JPEG")
    return pixels


def is_truncated(data: bytes) -> bool:
    """True for a JPEG or PNG file without its end marker.

    Decoders only warn about those. In a JPEG the last scan must be followed by the end marker: inside a
    scan the marker cannot occur, and an embedded preview ends before the image's own scan begins.
    """
    if data.startswith(JPEG_START):
        scan = data.rfind(JPEG_SCAN)
        return scan < 0 or data.find(JPEG_END, scan) < 0
    return data.startswith(PNG_START) and PNG_END not in data


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Squashes an image to a square by the contract's rule "area".

    Args:
        image: (H, W, 3) uint8.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = image.shape[:2]
    # INTER_AREA enlarges by repeating pixels, so a side that grows asks for bilinear.
    shrinks = height >= size and width >= size
    return cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Squashes a mask to a square: lesion where at least half of the covered pixels are.

    Args:
        mask: (H, W) bool.
        size: side of the result in pixels.

    Returns:
        (size, size) uint8, 0 or 1.
    """
    share = resize(mask.astype(np.uint8) * 255, size)
    return (share >= 128).astype(np.uint8)
