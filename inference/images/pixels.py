"""Files to pixels: the project's only decoder and its only image resize.

Training, export and the app use them too, so that a model sees in use what it saw in training.
"""

from __future__ import annotations

import re
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from inference.errors import InputError
from inference.images.limits import max_pixels
from inference.images.mask import to_lesion, to_levels
from inference.images.mask_levels import MaskLevels

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that hold the size
PNG_GREY = bytes((8, 0))  # bits, and the type of colour
PNG_START, PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"  # the last chunk and its checksum

REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
MAX_BYTES = 2**31  # of a file: a sparse file can claim any size
# Sides of a reduced JPEG are at least this many times the size wanted. On 454 validation images at
# cameras' sizes, 2 instead of 4 changes dice by -0.0003 (with sensor noise) to +0.0002 and decodes a
# third faster.
SPARE = 2


class TooManyPixelsError(InputError):
    """An image of more pixels than `max_pixels`; it has not been decoded."""


class Source(Protocol):
    """Where an image's bytes come from: a `Path`, or anything that can be read like one."""

    def read_bytes(self) -> bytes: ...


class JpegHeader(NamedTuple):
    """What a JPEG header says about the stored image, before EXIF orientation is applied."""

    height: int
    width: int
    scan: int  # offset of the first scan


class Resized(NamedTuple):
    """An image at the model's size, and its original size in pixels."""

    pixels: np.ndarray  # (S, S, 3) uint8 RGB
    height: int
    width: int


def read_image(path: Source) -> np.ndarray:
    """Decodes an image file: EXIF orientation applied, first frame only, alpha dropped.

    Grey, palette and CMYK become RGB; 16 bits become 8 by dropping the low byte.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: not an image, a truncated one, or one with more pixels than `max_pixels`.
        OSError: the file cannot be opened.
    """
    return cv2.cvtColor(decode(path, read_whole(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_resized(path: Source, size: int) -> Resized:
    """Does what `resize(read_image(path), size)` does, faster.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the smallest that leaves both sides at least
    SPARE * `size`: the decoder then averages blocks that the resize would average anyway. Pixels differ
    by less than 1 of 255 on average.

    Raises:
        InputError, OSError: as `read_image`.
    """
    data = read_whole(path)
    header = read_header(data)
    scale = choose_reduction(header.height, header.width, size) if header else 1
    pixels = decode(path, data, REDUCED.get(scale, cv2.IMREAD_COLOR))
    height, width = pixels.shape[:2]
    if header and scale > 1:
        # The header has the size as stored; EXIF orientation may have swapped the sides.
        as_stored = (height, width) == (-(-header.height // scale), -(-header.width // scale))
        height, width = header[:2] if as_stored else header[1::-1]
    return Resized(cv2.cvtColor(resize(pixels, size), cv2.COLOR_BGR2RGB), height, width)


def choose_reduction(height: int, width: int, size: int) -> int:
    """The factor by which a JPEG of this size is reduced while decoding: 8, 4, 2 or 1."""
    if height * width > max_pixels():
        return 1  # OpenCV then refuses it; it checks the size after reduction
    for scale in REDUCED:
        sides = -(-height // scale), -(-width // scale)
        # If reduction makes different sides equal, whether they were swapped cannot be told.
        distinct = height == width or sides[0] != sides[1]
        if min(sides) >= SPARE * size and distinct:
            return scale
    return 1


def read_mask(path: Source, mask_levels: MaskLevels | None = None) -> np.ndarray:
    """Decodes a mask file; lesion by the rule of the official ISIC scorer, unless `mask_levels` is "01".

    Returns:
        (H, W) bool, as `mask.to_lesion` returns it.

    Raises:
        InputError, OSError: as `read_levels`.
    """
    return to_lesion(read_levels(path), mask_levels)


def read_levels(path: Source) -> np.ndarray:
    """Decodes a mask file to one channel without thresholding it; EXIF orientation applied.

    Returns:
        (H, W) uint8.

    Raises:
        InputError: not an image, a truncated one, or none with a single channel of levels.
        OSError: the file cannot be opened.
    """
    data = read_whole(path)
    pixels = decode(path, data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    try:
        levels = to_levels(pixels)
    except ValueError as error:
        raise InputError(f"{path}: {error}; save the mask as a grey PNG of 0 and 255") from error
    if pixels.ndim == 3 and levels.min() == levels.max() and varies_in_alpha(path, data):
        raise InputError(
            f"{path}: has one colour, its outline is in the alpha channel; "
            "save the mask as a grey PNG of 0 and 255"
        )
    return levels


def varies_in_alpha(path: Source, data: bytes) -> bool:
    """True if an image has an alpha channel that is not the same everywhere."""
    stored = decode(path, data, cv2.IMREAD_UNCHANGED)
    return stored.ndim == 3 and stored.shape[2] == 4 and bool(np.ptp(stored[..., 3]))


def holds_mask(path: Source, lesion: np.ndarray) -> bool:
    """True if a file is an upright grey PNG of 8 bits: 255 where (H, W) bool `lesion`, else 0."""
    data = read_whole(path)
    if not (data.startswith(PNG_START) and data[24:26] == PNG_GREY):
        return False
    return np.array_equal(decode(path, data, cv2.IMREAD_UNCHANGED), np.where(lesion, 255, 0))


def read_whole(path: Source) -> bytes:
    """Reads a file; refuses empty files and truncated JPEG or PNG, which OpenCV would pad with grey."""
    if isinstance(path, Path):
        status = path.stat()
        if not S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:  # a pipe may never end
            raise InputError(f"{path}: is not a regular file of up to {MAX_BYTES} bytes; give one")
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path}: is empty; copy it again")
    if is_truncated(data):
        raise InputError(f"{path}: ends in the middle of the image; copy it again")
    return data


def decode(path: Source, data: bytes, flags: int) -> np.ndarray:
    """Decodes a file's bytes with OpenCV, to BGR."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        reason = explain_opencv(error)
        if "CV_IO_MAX_IMAGE" in reason:
            raise TooManyPixelsError(
                f"{path}: has too many pixels ({reason}); make it smaller, or raise the limit in the "
                "environment variable OPENCV_IO_MAX_IMAGE_PIXELS if you trust it"
            ) from error
        raise InputError(f"{path}: cannot be decoded ({reason}); convert it to PNG") from error
    if pixels is None:
        raise InputError(f"{path}: is not an image that OpenCV can read; convert it to PNG or JPEG")
    return pixels


def explain_opencv(error: cv2.error) -> str:
    """What OpenCV says went wrong, without its own file, line and function.

    Not `error.err`: OpenCV sets that on the class, so it is of the last error in any thread.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    match = re.search(r"error: \([^)]*\) (.*?)(?: in function .*)?$", lines[0])
    return (match[1] if match else "") or lines[-1]


def read_header(data: bytes) -> JpegHeader | None:
    """Walks the markers of a JPEG file up to its first scan; None if it is not a well-formed JPEG."""
    height = width = 0
    at = len(JPEG_START)
    while data.startswith(JPEG_START) and data[at : at + 1] == b"\xff" and at + 9 <= len(data):
        marker = data[at + 1]
        if marker in JPEG_FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
        elif data.startswith(JPEG_SCAN, at):
            return JpegHeader(height, width, at)
        # Markers may be padded with 0xFF; any other marker here is followed by its length.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def is_truncated(data: bytes) -> bool:
    """True for a JPEG or PNG file without its end marker, about which decoders only warn.

    In a JPEG the end marker must come after the start of the first scan: it cannot occur inside a scan,
    and that of an embedded preview comes before.
    """
    if data.startswith(JPEG_START):
        header = read_header(data)
        scan = header.scan if header else data.find(JPEG_SCAN)
        return scan < 0 or data.rfind(JPEG_END, scan) < 0
    return data.startswith(PNG_START) and data.rfind(PNG_END) < 0


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Squashes an image to a square by the contract's "area" rule.

    Args:
        image: (H, W, 3) uint8.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = min(image.shape[0], size), min(image.shape[1], size)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # INTER_AREA enlarges by repeating pixels, so sides that grow do so in a second step.
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Squashes a mask to a square: lesion where at least half of the covered pixels are lesion.

    Args:
        mask: (H, W) bool.
        size: side of the result in pixels.

    Returns:
        (size, size) uint8, 0 or 1.
    """
    return (resize(mask.astype(np.uint8) * 255, size) >= 128).astype(np.uint8)
