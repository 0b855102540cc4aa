"""Mask files are plain 8-bit grey PNG to whoever reads them."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.batch.journal import is_whole
from inference.images.pixels import read_levels, read_mask
from inference.masks.png import LONGEST, encode_png, write_mask
from inference.masks.runlength import find_runs
from tests.inference.masks.random_masks import random_masks


def long_runs() -> list[np.ndarray]:
    """Masks with runs of every length around those that one copy makes."""
    masks = []
    for width in (1, 2, 3, 4, 5, *range(LONGEST - 3, LONGEST + 6), 2 * LONGEST + 1, 5000):
        mask = np.zeros((4, width), bool)
        mask[1] = mask[2, width // 2 :] = True
        masks += [mask, ~mask, mask[1:2], mask[::-1].copy()]
    lengths = np.arange(2 * LONGEST)
    each = np.repeat(np.arange(lengths.size) % 2 == 1, lengths)
    return [*masks, each[None], each[:, None], ~each[None]]


def test_readers_agree() -> None:
    for mask in random_masks(400) + long_runs():
        data = encode_png(find_runs(mask))
        levels = mask * np.uint8(255)
        for flags in (cv2.IMREAD_UNCHANGED, cv2.IMREAD_GRAYSCALE):
            read = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            assert read.dtype == np.uint8 and np.array_equal(read, levels)
        image = Image.open(io.BytesIO(data))
        assert image.mode == "L" and np.array_equal(np.asarray(image), levels)


def test_every_byte_is_accounted_for() -> None:
    """zlib finds the scan lines, its own checksum, and nothing after them."""
    for mask in random_masks(200) + long_runs():
        data = encode_png(find_runs(mask))
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        at, chunks = 8, {}
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
            check = data[at + 8 + length : at + 12 + length]
            assert zlib.crc32(kind + content) == int.from_bytes(check, "big")
            chunks[kind] = content
            at += 12 + length
        assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
        inflate = zlib.decompressobj()
        lines = inflate.decompress(chunks[b"IDAT"])
        assert inflate.eof and not inflate.unused_data
        assert lines == np.pad(mask * np.uint8(255), ((0, 0), (1, 0))).tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (767, 1022), (2000, 3008)])
def test_our_own_reader(shape: tuple[int, int], tmp_path: Path) -> None:
    mask = np.zeros(shape, bool)
    cv2.circle(mask.view(np.uint8), (shape[1] // 2, shape[0] // 2), shape[0] // 3, 1, cv2.FILLED)
    path = tmp_path / "a" / "mask.png"
    write_mask(path, mask)
    assert np.array_equal(read_mask(path), mask)
    assert set(np.unique(read_levels(path))) <= {0, 255}
    assert is_whole(path) and [each.name for each in path.parent.iterdir()] == ["mask.png"]
    _, plain = cv2.imencode(".png", mask * np.uint8(255), (cv2.IMWRITE_PNG_COMPRESSION, 1))
    assert path.stat().st_size < 1.3 * plain.size
