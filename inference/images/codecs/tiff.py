"""What OpenCV does not do right with TIFF files is corrected in the file's bytes, or refused."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from inference.images.codecs.depth import invert
from inference.images.codecs.tags import Directory, read_directories, read_layout

SUBFILE, PHOTOMETRIC, EXTRA_SAMPLES = 254, 262, 338
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
ASSOCIATED, UNASSOCIATED = 1, 2
ANY = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR


def is_tiff(data: bytes) -> bool:
    return data.startswith(TIFF_STARTS)


def decode_tiff(data: bytes) -> np.ndarray | None:
    """Decodes the first image of a TIFF file that is not a thumbnail, upright, without its alpha.

    Returns:
        (H, W) or (H, W, 3) BGR, as many bits as stored; None if OpenCV cannot read it.

    Raises:
        ValueError: its colours are of a kind that OpenCV decodes to other ones.
        cv2.error: OpenCV refuses it.
    """
    directories = read_directories(data)
    image = next((each for each in directories if not each.first(SUBFILE, 0) & 1), None)
    image = image or next(iter(directories), None)
    if image:
        require_colours(image)
        data = mend_tiff(data, image, image is directories[0])
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), ANY)
    # OpenCV inverts 8 bits, but not 16.
    white_is_zero = image is not None and image.first(PHOTOMETRIC, 1) == 0
    return (
        invert(pixels)
        if white_is_zero and pixels is not None and pixels.dtype == np.uint16
        else pixels
    )


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
    """Raises ValueError unless the image is grey, RGB, a palette, CMYK or YCbCr."""
    kind = image.first(PHOTOMETRIC, 1)
    if kind not in COLOURS:
        name = OTHER_COLOURS.get(kind, f"of kind {kind}")
        raise ValueError(f"has colours that are {name}")


def overwrite(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some of them replaced."""
    return data[:at] + new + data[at + len(new) :]
