"""Turns pixels upright, where OpenCV does not: it knows the orientation of PNG, WebP and TIFF files.

EXIF orientation: CIPA DC-008, 4.6.4. AVIF: irot and imir of ISO/IEC 23008-12, 6.5.10 and 6.5.12.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

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


def is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis")


def turn_avif(pixels: np.ndarray, data: bytes) -> np.ndarray:
    """Turns an AVIF image upright: anticlockwise by irot, then mirrored by imir.

    EXIF data in such a file is for information only.
    """
    boxes = dict(walk_boxes(data, 0, len(data)))
    if turns := boxes.get(b"irot"):
        pixels = np.rot90(pixels, turns[0] & 3)
    if mirror := boxes.get(b"imir"):
        pixels = pixels[:, ::-1] if mirror[0] & 1 else pixels[::-1]
    return np.ascontiguousarray(pixels)


def walk_boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of an ISO media file that hold no others, down to the properties of images."""
    while at + 8 <= end:
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        stop = end if size == 0 else min(at + size, end)
        if stop < start:
            return
        if kind in CONTAINERS:
            yield from walk_boxes(data, start + FULL_BOXES.get(kind, 0), stop)
        elif kind in (b"irot", b"imir"):
            yield kind, data[start:stop]
        at = stop
