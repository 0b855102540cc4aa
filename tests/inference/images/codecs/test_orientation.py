"""Images and masks come upright out of every container that says how they are turned."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from inference.images.pixels import read_image, read_mask, read_resized
from training.synthetic.lesion import make_lesion

ORIENTATION = 274
CONTAINERS: dict[str, dict[str, object]] = {
    ".jpg": {"quality": 98, "subsampling": 0},
    ".png": {},
    ".webp": {"lossless": True},
    ".tif": {},
    ".avif": {"quality": 98, "subsampling": "4:4:4"},
}


def save_turned(path: Path, pixels: np.ndarray, orientation: int) -> None:
    if path.suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **CONTAINERS[path.suffix])  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix}"
    save_turned(path, make_lesion(np.random.default_rng(4), 96, 160)[0], orientation)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    found = read_image(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 2
    resized = read_resized(path, 8)
    assert (resized.height, resized.width) == expected.shape[:2]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_that_begins_as_in_a_jpeg(suffix: str, orientation: int, tmp_path: Path) -> None:
    path, pixels = tmp_path / f"photo{suffix}", make_lesion(np.random.default_rng(4), 96, 160)[0]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    plain = exif.tobytes().removeprefix(b"Exif\0\0")
    Image.fromarray(pixels).save(path, exif=plain, lossless=True)
    expected = read_image(path)
    data = path.read_bytes()
    if suffix == ".png":
        at = data.index(b"eXIf")
        end = at + 4 + len(plain) + 4
        chunk = b"eXIfExif\0\0" + plain
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[: at - 4] + chunk + data[end:])
    else:
        at = data.index(b"EXIF")
        chunk = b"EXIF" + struct.pack("<I", 6 + len(plain)) + b"Exif\0\0" + plain
        chunk += bytes(len(chunk) % 2)
        data = data[:at] + chunk
        path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert path.read_bytes().count(b"Exif\0\0") == 1
    assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_masks_are_turned_as_their_images_are(suffix: str, tmp_path: Path) -> None:
    mask = np.zeros((64, 96), bool)
    mask[4:20, 8:70] = True
    path = tmp_path / f"mask{suffix}"
    save_turned(path, np.rot90(mask).astype(np.uint8) * 255, 6)
    found = read_mask(path)
    assert found.shape == mask.shape and np.mean(found != mask) < 0.02
