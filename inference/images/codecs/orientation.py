"""Turns pixels upright, where OpenCV does not: it knows the orientation of most PNG, WebP and TIFF files.

EXIF orientation: CIPA DC-008, 4.6.4. AVIF: irot and imir of ISO/IEC 23008-12, 6.5.10 and 6.5.12.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inference.images.codecs.boxes import walk_boxes
from inference.images.codecs.tags import read_orientation

# Orientation -> whether rows and columns are swapped, then whether each is reversed.
TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# EXIF data begins with this in JPEG files only, but some programs write it elsewhere too.
PREFIX = b"Exif\0\0"
PNG_START = b"\x89PNG\r\n\x1a\n"
FULL_BOXES = {b"meta": 4}  # bytes of version and flags before the boxes inside
CONTAINERS = frozenset((b"meta", b"iprp", b"ipco"))


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an image with this EXIF orientation upright.

    Args:
        pixels: (H, W) or (H, W, C) as stored.
        orientation: 1 to 8.
    """
    if orientation == 1:
        return pixels
    swapped, up, left = TURNS[orientation]
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    pixels = pixels[:: -1 if up else 1, :: -1 if left else 1]
    return np.ascontiguousarray(pixels)


def read_prefixed(data: bytes) -> int:
    """The orientation of a PNG or WebP file whose EXIF data begins as in a JPEG, which OpenCV ignores.

    Returns:
        1 to 8; 1 for all other files.
    """
    exif = next((part for kind, part in walk_chunks(data) if kind in (b"eXIf", b"EXIF")), b"")
    return read_orientation(exif[len(PREFIX) :]) if exif.startswith(PREFIX) else 1


def walk_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each chunk of a PNG or a WebP file; none of other files."""
    if data.startswith(PNG_START):  # size, kind, content, checksum
        at = len(PNG_START)
        while at + 8 <= len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
            at += 12 + size
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":  # kind, size, content, to an even end
        at = 12
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            yield data[at : at + 4], data[at + 8 : at + 8 + size]
            at += 8 + size + size % 2


def turn_avif(pixels: np.ndarray, data: bytes) -> np.ndarray:
    """Turns an AVIF image upright: anticlockwise by irot, then mirrored by imir.

    EXIF data in such a file is for information only.
    """
    boxes = dict(find_turns(data, 0, len(data)))
    if turns := boxes.get(b"irot"):
        pixels = np.rot90(pixels, turns[0] & 3)
    if mirror := boxes.get(b"imir"):
        pixels = pixels[:, ::-1] if mirror[0] & 1 else pixels[::-1]
    return np.ascontiguousarray(pixels)


def find_turns(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The boxes irot and imir between two places in a file."""
    for kind, start, stop in walk_boxes(data, at, end):
        if kind in CONTAINERS:
            yield from find_turns(data, start + FULL_BOXES.get(kind, 0), min(stop, end))
        elif kind in (b"irot", b"imir"):
            yield kind, data[start:stop]
