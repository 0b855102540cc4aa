"""Files of one mask in the ways in which tools store it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
BLACK_RED, BLACK_WHITE = [0, 0, 0, 128, 0, 0], [0, 0, 0, 255, 255, 255]


def grey(mask: np.ndarray, lesion: int = 255, kind: type = np.uint8) -> Image.Image:
    return Image.fromarray(np.where(mask, lesion, 0).astype(kind))


def save_grey(stem: Path, mask: np.ndarray, lesion: int = 255, kind: type = np.uint8) -> None:
    grey(mask, lesion, kind).save(f"{stem}.png")


def save_palette(stem: Path, mask: np.ndarray, colours: list[int]) -> None:
    image = grey(mask, 1)
    image.putpalette(colours)
    image.save(f"{stem}.png")


def save_bits(
    stem: Path, mask: np.ndarray, bits: int, lesion: int, palette: bytes | None = None
) -> None:
    """A PNG of less than 8 bits, which Pillow does not write: grey, or with a palette of RGB."""
    height, width = mask.shape
    pixels = np.pad(np.where(mask, lesion, 0), ((0, 0), (0, -width % (8 // bits)))).astype(np.uint8)
    each = np.unpackbits(pixels[..., None], axis=2)[..., 8 - bits :]
    rows = np.packbits(each.reshape(height, -1), axis=1)
    header = struct.pack(">IIBBBBB", width, height, bits, 3 if palette else 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"IEND", b"")]
    chunks.insert(2, (b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))))
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        if content is not None:
            check = struct.pack(">I", zlib.crc32(kind + content))
            data += struct.pack(">I", len(content)) + kind + content + check
    Path(f"{stem}.png").write_bytes(data)


def save_mode(stem: Path, mask: np.ndarray, mode: str, suffix: str = ".png") -> None:
    grey(mask).convert(mode).save(f"{stem}{suffix}")


def save_blurred(stem: Path, mask: np.ndarray) -> None:
    """Edges as drawing programs make them."""
    levels = np.where(mask, 255.0, 0.0)
    padded = np.pad(levels, 1, "edge")
    height, width = mask.shape
    around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    soft = np.mean([*around, *[levels] * 9], axis=0)  # the pixel itself counts for more than half
    Image.fromarray(soft.astype(np.uint8)).save(f"{stem}.png")


KINDS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "0 and 1": partial(save_grey, lesion=1),
    "0 and 1 in 16 bits": partial(save_grey, lesion=1, kind=np.uint16),
    "16 bits": partial(save_grey, lesion=65535, kind=np.uint16),
    "255 in 16 bits": partial(save_grey, kind=np.uint16),
    "black and red": partial(save_palette, colours=BLACK_RED),
    "black and white": partial(save_palette, colours=BLACK_WHITE),
    "RGB": partial(save_mode, mode="RGB"),
    "RGBA": partial(save_mode, mode="RGBA"),
    "LA": partial(save_mode, mode="LA"),
    "1 bit": partial(save_mode, mode="1"),
    "1 bit TIFF": partial(save_mode, mode="1", suffix=".tif"),
    "GIF": partial(save_mode, mode="L", suffix=".gif"),
    "soft edges": save_blurred,
    "0 and 1 in 2 bits": partial(save_bits, bits=2, lesion=1),
    "0 and 1 in 4 bits": partial(save_bits, bits=4, lesion=1),
    "2 bits": partial(save_bits, bits=2, lesion=3),
    "4 bits": partial(save_bits, bits=4, lesion=15),
    "palette of 2 bits": partial(save_bits, bits=2, lesion=1, palette=b"\0\0\0\xff\xff\xff"),
    "palette of 4 bits": partial(save_bits, bits=4, lesion=1, palette=b"\0\0\0\x80\0\0"),
    "palette of 0 and 1 in 4 bits": partial(save_bits, bits=4, lesion=1, palette=b"\0\0\0\1\1\1"),
}
