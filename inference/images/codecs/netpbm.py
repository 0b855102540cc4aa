"""PGM, PPM and PAM files: their range is put right, and PAM's order of colours."""

from __future__ import annotations

import re

import cv2
import numpy as np

from inference.images.codecs.tiff import ANY

GAP = rb"(?:\s|#[^\n]*\n)+"  # with comments
HEADER = re.compile(rb"P[2356]" + 2 * (GAP + rb"\d{1,9}") + GAP + rb"(\d{1,9})\s")
PAM_HEADER = re.compile(rb"P7\n(?:[^\n]*\n){1,64}?ENDHDR\n")
NUMBER = re.compile(rb"^(DEPTH|MAXVAL)[ \t]+(\d{1,9})", re.MULTILINE)
RGB = b"\nTUPLTYPE RGB\n"


def is_netpbm(data: bytes) -> bool:
    return re.match(rb"P[567]\s", data) is not None


def read_maxval(data: bytes) -> int:
    """The level that is white in a PGM, PPM or PAM file, binary or text; 0 for any other file."""
    if pam := PAM_HEADER.match(data):
        return int(dict(NUMBER.findall(pam[0])).get(b"MAXVAL", 0))
    plain = HEADER.match(data)
    return int(plain[1]) if plain else 0


def decode_netpbm(data: bytes) -> np.ndarray | None:
    """Decodes a PGM, PPM or PAM file of bytes; levels of up to MAXVAL become levels of up to 255.

    Those of up to 1, a mask, stay, and more than 8 bits are left to `depth.to_bytes`. OpenCV itself does
    so with files that are text.

    Returns:
        (H, W) or (H, W, 3) BGR, uint8 or uint16; None if OpenCV cannot read it.

    Raises:
        ValueError: a PAM file of a kind that OpenCV decodes to noise.
        cv2.error: OpenCV refuses it.
    """
    header, largest = b"", read_maxval(data)
    if pam := PAM_HEADER.match(data):
        header = pam[0]
        depth = int(dict(NUMBER.findall(header)).get(b"DEPTH", 0))
        if depth not in (1, 3) or largest < 2:
            raise ValueError(f"stores PAM of DEPTH {depth} and MAXVAL {largest}")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), ANY)
    if pixels is None:
        return None
    if RGB in header and pixels.ndim == 3:  # without a type it is OpenCV's own, blue first
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    if pixels.dtype == np.uint8 and 1 < largest < 255:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / largest)
    return pixels
