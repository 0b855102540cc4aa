"""BMP files of OS/2, and those that say themselves where their channels lie, keep their colours."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from inference.errors import InputError
from inference.images.pixels import read_image, read_mask
from training.synthetic.lesion import make_lesion

PICTURE, LESION = make_lesion(np.random.default_rng(2), 48, 64)
BGR, RGB = (0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000)


def write_bmp(path: Path, header: bytes, pixels: np.ndarray) -> Path:
    """Writes rows from the bottom up behind a header."""
    content = pixels[::-1].tobytes()
    start = 14 + len(header)
    sizes = struct.pack("<IHHI", start + len(content), 0, 0, start)
    path.write_bytes(b"BM" + sizes + header + content)
    return path


def test_files_of_os2(tmp_path: Path) -> None:
    header = struct.pack("<IHHHH", 12, 64, 48, 1, 24)
    found = read_image(write_bmp(tmp_path / "a.bmp", header, PICTURE[..., ::-1]))
    assert np.array_equal(found, PICTURE)
    palette = b"".join(bytes((level, level, 255 - level)) for level in range(256))
    header = struct.pack("<IHHHH", 12, 64, 48, 1, 8) + palette
    found = read_image(write_bmp(tmp_path / "b.bmp", header, PICTURE[..., 1]))
    green = PICTURE[..., 1]
    assert np.array_equal(found, np.dstack((255 - green, green, green)))
    header = struct.pack("<IHHHH", 12, 64, 48, 1, 8) + bytes(np.repeat(np.arange(256), 3).tolist())
    mask = write_bmp(tmp_path / "c.bmp", header, LESION)
    assert np.array_equal(read_mask(mask), LESION > 0)


def write_fields(path: Path, masks: tuple[int, ...], pixels: np.ndarray, size: int = 40) -> Path:
    header = struct.pack("<IiiHHIIiiII", size, 64, 48, 1, 32, 3, 0, 0, 0, 0, 0)
    header += struct.pack("<3I", *masks) + bytes(max(size - 52, 0))
    return write_bmp(path, header, np.dstack((pixels, np.zeros((48, 64), np.uint8))))


@pytest.mark.parametrize("size", [40, 52, 108])
def test_masks_say_where_the_channels_lie(size: int, tmp_path: Path) -> None:
    for masks, pixels in ((RGB, PICTURE), (BGR, PICTURE[..., ::-1])):
        found = read_image(write_fields(tmp_path / "a.bmp", masks, pixels, size))
        assert np.array_equal(found, PICTURE)


def test_other_masks_are_refused(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "a.bmp", (0x3FF00000, 0xFFC00, 0x3FF), PICTURE)
    with pytest.raises(InputError, match=r"a\.bmp: stores its channels in bits .*; save it as RGB"):
        read_image(path)
