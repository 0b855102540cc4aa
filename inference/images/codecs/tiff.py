"""What OpenCV does not do right with TIFF files is corrected in the file's bytes, or refused."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from inference.errors import DamageError
from inference.images.codecs.depth import invert
from inference.images.codecs.tags import Directory, read_directories, read_layout

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, SAMPLES, ROWS_PER_STRIP, PLANAR, EXTRA_SAMPLES = 266, 277, 278, 284, 338
# Where the parts of an image lie, and how long they are: strips, or tiles of a width and a height.
STRIP_OFFSETS, STRIP_SIZES = 273, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 322, 323, 324, 325
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# White is zero, black is zero, RGB, palette, CMYK, YCbCr.
COLOURS = frozenset((0, 1, 2, 3, 5, 6))
OTHER_COLOURS = {
    8: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32803: "a sensor's raw data",
    32844: "LogL",
    32845: "LogLuv",
    34892: "a sensor's raw data",
}
DEFLATE = frozenset((8, 32946))
APART = 2  # each channel in parts of its own
ASSOCIATED, UNASSOCIATED = 1, 2
ANY = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR


def is_tiff(data: bytes) -> bool:
    return data.startswith(TIFF_STARTS)


def decode_tiff(data: bytes) -> np.ndarray | None:
    """Decodes the first image of a TIFF file that is not a thumbnail, upright, without its alpha.

    Returns:
        (H, W) or (H, W, 3) BGR, as many bits as stored; None if OpenCV cannot read it.

    Raises:
        DamageError: what is compressed with deflate is damaged.
        ValueError: its pixels are of a kind that OpenCV decodes to other ones.
        cv2.error: OpenCV refuses it.
    """
    directories = read_directories(data)
    image = next((each for each in directories if not each.first(SUBFILE, 0) & 1), None)
    image = image or next(iter(directories), None)
    if image:
        require_colours(image)
        data = mend_tiff(data, image, image is directories[0])
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), ANY)
    if image is None or pixels is None:
        return pixels
    require_whole(data, image)  # after OpenCV, which refuses what is too large
    # OpenCV inverts 8 bits, but no others.
    if image.first(PHOTOMETRIC, 1) != 0 or pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16:
        raise ValueError(f"stores white as zero in numbers of type {pixels.dtype}")
    return invert(pixels)


def mend_tiff(data: bytes, image: Directory, first: bool) -> bytes:
    """Rewrites a TIFF file so that OpenCV decodes what people mean: `image`, and its own colours.

    Alpha is called associated: libtiff multiplies the pixels by the other kind.
    """
    layout = read_layout(data)
    assert layout
    if not first:
        data = overwrite(data, layout.pointer, struct.pack(layout.offset_format, image.offset))
    extra = image.tags.get(EXTRA_SAMPLES)
    if extra and UNASSOCIATED in extra.values:
        values = (ASSOCIATED if value == UNASSOCIATED else value for value in extra.values)
        packed = struct.pack(f"{layout.order}{len(extra.values)}H", *values)
        data = overwrite(data, extra.offset, packed)
    return data


def require_colours(image: Directory) -> None:
    """Raises ValueError unless the image is grey, RGB, a palette, CMYK or YCbCr, as OpenCV reads it."""
    kind = image.first(PHOTOMETRIC, 1)
    if kind not in COLOURS:
        name = OTHER_COLOURS.get(kind, f"of kind {kind}")
        raise ValueError(f"has colours that are {name}")
    bits = image.first(BITS, 1)
    if image.first(PLANAR, 1) == APART and image.first(SAMPLES, 1) > 1 and bits > 8:
        raise ValueError(f"stores its channels apart with {bits} bits")


def require_whole(data: bytes, image: Directory) -> None:
    """Raises DamageError for damage inside deflate, which libtiff fills with black or noise."""
    where, sizes = STRIP_OFFSETS, STRIP_SIZES
    width, height = image.first(WIDTH, 1), image.first(HEIGHT, 1)
    across, down = width, min(image.first(ROWS_PER_STRIP, height), height)
    if TILE_OFFSETS in image.tags:
        where, sizes = TILE_OFFSETS, TILE_SIZES
        across, down = image.first(TILE_WIDTH, width), image.first(TILE_HEIGHT, height)
    deflated = image.first(COMPRESSION, 1) in DEFLATE and image.first(FILL_ORDER, 1) == 1
    if not (deflated and across and down and {where, sizes} <= image.tags.keys()):
        return
    samples, apart = image.first(SAMPLES, 1), image.first(PLANAR, 1) == APART
    parts = -(-width // across) * -(-height // down) * (samples if apart else 1)
    limit = -(-across * samples * image.first(BITS, 1) // 8) * down  # bytes of a part's pixels
    try:
        places = (image.tags[tag].read(data, parts) for tag in (where, sizes))
        for at, size in zip(*places):
            stream = zlib.decompressobj()
            unpacked = stream.decompress(data[at : at + size], limit + 1)
            if not stream.eof and len(unpacked) <= limit:
                raise DamageError("a part of the image is cut short")
    except (zlib.error, struct.error) as error:
        raise DamageError(str(error)) from error


def overwrite(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some of them replaced."""
    return data[:at] + new + data[at + len(new) :]
