"""JPEG files: what their headers say, and pixels from whole scans only.

OpenCV fills damaged parts of a scan with grey or noise and says nothing. Where simplejpeg is installed
(the extra jpeg) it decodes: the same library, hence the same pixels, but its warnings are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from inference.errors import DamageError
from inference.images.codecs.orientation import TURNS, turn
from inference.images.codecs.tags import read_orientation
from inference.images.limits import max_pixels

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

CHECKS_DAMAGE = simplejpeg is not None
START, SCAN, END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
MARKER = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")  # of a segment; within a scan there is none
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that hold the size
PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
ARITHMETIC = frozenset(range(0xC9, 0xD0))
EXIF = b"\xff\xe1", b"Exif\0\0"
INTERVAL = 0xDD  # marker of the number of units between two restart markers
RESTART = re.compile(rb"\xff[\xd0-\xd7]")

REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
# What libjpeg says of files that are whole; anything else that it says after a good header is damage.
HARMLESS = re.compile(
    "Adobe color transform|JFIF revision|Invalid SOS parameters|arithmetic coding is|color conversion"
)
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
MAX_PADDING = 16  # bytes of anything that some cameras leave behind a scan


class Header(NamedTuple):
    """What a JPEG header says about the stored image, before EXIF orientation is applied."""

    height: int
    width: int
    channels: int
    bits: int  # of a channel
    scan: int  # offset of the first scan
    orientation: int  # of EXIF
    needs_end: bool  # without its end marker, nobody can tell whether something is missing

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the upright image."""
        swapped = TURNS[self.orientation][0]
        return (self.width, self.height) if swapped else (self.height, self.width)


def read_header(data: bytes) -> Header | None:
    """Reads the segments of a JPEG file up to its first scan; None if it is not a well-formed JPEG."""
    height = width = channels = bits = 0
    orientation, needs_end = 1, False
    for marker, at, size in walk_segments(data):
        if marker in FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            bits, channels = data[at + 4], data[at + 9]
            needs_end = marker in PROGRESSIVE | ARITHMETIC
        elif marker == SCAN[1]:
            # A scan of less than all channels is followed by others.
            return Header(
                height,
                width,
                channels,
                bits,
                at,
                orientation,
                needs_end or data[at + 4] < channels,
            )
        elif data.startswith(EXIF[0], at) and data.startswith(EXIF[1], at + 4):
            orientation = read_orientation(data[at + 4 + len(EXIF[1]) : at + size])
    return None


def walk_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the marker, offset and size of each segment, from the start to the first scan."""
    at = len(START)
    while data.startswith(START) and data[at : at + 1] == b"\xff" and at + 10 <= len(data):
        marker = data[at + 1]
        # Markers may be padded with 0xFF; any other marker here is followed by its length.
        size = 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, at, size
        if marker == SCAN[1]:
            return
        at += size


def walk_scans(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Yields the marker, offset and size of each scan, and of what lies between, to the image's end.

    Args:
        at: offset of the first scan.
    """
    while at + 4 <= len(data) and data[at + 1] != END[1]:
        found = MARKER.search(data, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"))
        stop = found.start() if found else len(data)
        yield data[at + 1], at, stop - at
        at = stop
    if data.startswith(END, at):
        yield END[1], at, len(END)


def finish(data: bytes, header: Header | None) -> bytes | None:
    """The file with its end marker, without which OpenCV refuses it; None if it ends inside the image.

    The end marker must come after the start of the first scan: it cannot occur inside a scan, and that
    of an embedded preview comes before. It may be missing where simplejpeg tells whether all pixels are
    there, which it cannot where further scans may follow, or where coding is arithmetic: that reads zeros
    behind its end.
    """
    scan = header.scan if header else data.find(SCAN)
    if scan < 0:
        return None
    if data.rfind(END, scan) >= 0:
        return data
    return data + END if CHECKS_DAMAGE and header and not header.needs_end else None


def decode_jpeg(data: bytes, header: Header, scale: int) -> np.ndarray | None:
    """Decodes a JPEG file at 1/`scale` of its size, upright.

    Returns:
        (H, W, 3) uint8 BGR, or (H, W) of a grey image; None if it cannot be read.

    Raises:
        DamageError: libjpeg warns of a damaged scan.
        cv2.error: it has more pixels than `max_pixels`.
    """
    pixels = None
    if CHECKS_DAMAGE and header.height * header.width <= max_pixels():
        pixels = decode_strictly(data, header, scale)
    if pixels is None:
        flags = REDUCED.get(scale, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if pixels is None:
            return None
    return turn(pixels[..., 0] if header.channels == 1 else pixels, header.orientation)


def decode_strictly(data: bytes, header: Header, scale: int) -> np.ndarray | None:
    """Decodes with simplejpeg; None for a kind that it does not know, such as CMYK or 12 bits."""
    if header.bits != 8 or not knows(data):
        return None
    sides = {"min_height": -(-header.height // scale), "min_width": -(-header.width // scale)}
    colours = "CMYK" if header.channels == 4 else "BGR"
    decode = partial(simplejpeg.decode_jpeg, data, colours, **sides, min_factor=scale)
    try:
        pixels = decode(strict=True)
    except ValueError as warning:
        if not is_harmless(str(warning), data, header):
            raise DamageError(str(warning)) from warning
        try:
            pixels = decode(strict=False)
        except ValueError:
            return None
    return pixels if colours == "BGR" else None


def knows(data: bytes) -> bool:
    """True if simplejpeg can decode this kind of JPEG; its header tells."""
    try:
        simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError:
        return False
    return True


def is_harmless(warning: str, data: bytes, header: Header) -> bool:
    """True for a warning of libjpeg that does not concern pixels.

    Bytes between a scan and the next marker are what a decoder leaves that has lost its way, or harmless
    padding before the end: few bytes, or the same value again and again.
    """
    found = EXTRANEOUS.search(warning)
    if not found:
        return HARMLESS.search(warning) is not None
    count, marker = int(found[1]), int(found[2], 16)
    if marker != END[1]:
        return False
    end = data.rfind(END)
    padded = len(set(data[end - count : end])) == 1
    return count <= MAX_PADDING or (padded and has_restarts(data, header))


def has_restarts(data: bytes, header: Header) -> bool:
    """True if the last scan has all its restart markers, or needs none.

    Where one is missing, libjpeg leaves the rest of the scan grey, and takes it for bytes behind it.
    """
    interval, frame, scan = 0, b"", b""
    for marker, at, size in (*walk_segments(data), *walk_scans(data, header.scan)):
        if marker == INTERVAL:
            interval = int.from_bytes(data[at + 4 : at + 6], "big")
        elif marker in FRAMES:
            frame = data[at + 10 : at + size]
        elif marker == SCAN[1]:
            scan = data[at : at + size]
    if not interval:
        return True
    # Of each component: its number, and how often it is sampled across and down.
    sampled = {frame[i]: divmod(frame[i + 1], 16) for i in range(0, len(frame) - 2, 3)}
    wide, high = (max(factors) for factors in zip(*sampled.values()))
    if scan[4] == 1:  # a scan of one component consists of that component's blocks
        across, down = sampled.get(scan[5], (wide, high))
        width, height = -(-header.width * across // wide), -(-header.height * down // high)
        units = -(-width // 8) * -(-height // 8)
    else:
        units = -(-header.width // (8 * wide)) * -(-header.height // (8 * high))
    return len(RESTART.findall(scan)) >= -(-units // interval) - 1
