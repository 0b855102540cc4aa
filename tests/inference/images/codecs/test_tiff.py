"""TIFF files show what other viewers show: colours, depth, without alpha, the image and no thumbnail."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from inference.errors import InputError
from inference.images.pixels import read_image, read_mask
from training.synthetic.lesion import make_lesion

PICTURE = make_lesion(np.random.default_rng(2), 48, 64)[0]
BLACK_IS_ZERO, WHITE_IS_ZERO, RGB = 1, 0, 2
Tags = dict[int, tuple[int, ...]]


def directory(at: int, pixels: np.ndarray, photometric: int, more: Tags, order: str) -> bytes:
    """One directory of a TIFF file without compression, and its pixels, to stand at an offset."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    format_ = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    bits = (8 * pixels.itemsize,) * channels
    tags: Tags = {256: (width,), 257: (height,), 258: bits, 259: (1,), 262: (photometric,)}
    tags |= {273: (0,), 277: (channels,), 278: (height,), 279: (pixels.nbytes,)}
    tags |= {339: (format_,) * channels, **more}
    end = at + 2 + 12 * len(tags) + 4
    values = {tag: struct.pack(f"{order}{len(v)}I", *v) for tag, v in tags.items() if len(v) > 1}
    tags[273] = (end + sum(map(len, values.values())),)
    head, tail = struct.pack(f"{order}H", len(tags)), b""
    for tag, numbers in sorted(tags.items()):
        head += struct.pack(f"{order}HHI", tag, 4, len(numbers))
        head += struct.pack(f"{order}I", end + len(tail) if tag in values else numbers[0])
        tail += values.get(tag, b"")
    return head + bytes(4) + tail + pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    photometric: int = RGB,
    more: Tags | None = None,
    order: str = "<",
) -> Path:
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    path.write_bytes(start + directory(8, pixels, photometric, more or {}, order))
    return path


def grey(bits: int) -> np.ndarray:
    return (PICTURE[..., 1].astype(np.uint32) << (bits - 8)).astype(np.uint16)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bits_are_read_by_the_range_in_use(bits: int, order: str, tmp_path: Path) -> None:
    scaled = (PICTURE.astype(np.uint32) << (bits - 8)).astype(np.uint16)
    found = read_image(write_tiff(tmp_path / "a.tif", scaled, order=order))
    assert np.array_equal(found, PICTURE)
    found = read_image(write_tiff(tmp_path / "b.tif", grey(bits), BLACK_IS_ZERO, order=order))
    assert np.array_equal(found[..., 0], PICTURE[..., 1])


@pytest.mark.parametrize("kind", [np.int16, np.uint32])
def test_other_whole_numbers(kind: type, tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", grey(8).astype(kind), BLACK_IS_ZERO)
    assert np.array_equal(read_image(path)[..., 0], PICTURE[..., 1])


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_fractions_are_read_by_their_range(top: int, tmp_path: Path) -> None:
    pixels = (PICTURE * (top / 255)).astype(np.float32)
    assert np.array_equal(read_image(write_tiff(tmp_path / "a.tif", pixels)), PICTURE)


@pytest.mark.parametrize("factor", [4, 2e6, -1, np.nan])
def test_fractions_of_no_known_range_are_refused(factor: float, tmp_path: Path) -> None:
    pixels = (PICTURE / 255 * factor).astype(np.float32)
    pixels[0, 0] = factor
    with pytest.raises(InputError, match=r"a\.tif: has fractions from"):
        read_image(write_tiff(tmp_path / "a.tif", pixels))


def test_negative_levels_are_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", grey(8).astype(np.int16) - 99, BLACK_IS_ZERO)
    with pytest.raises(InputError, match="below 0"):
        read_image(path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_may_be_zero(kind: type, tmp_path: Path) -> None:
    top = np.iinfo(kind).max
    pixels = top - PICTURE[..., 1].astype(kind) * (top // 255)
    found = read_image(write_tiff(tmp_path / "a.tif", pixels, WHITE_IS_ZERO))
    assert np.array_equal(found[..., 0], PICTURE[..., 1])
    lesion = PICTURE[..., 1] < 120
    path = write_tiff(tmp_path / "b.tif", np.where(lesion, 0, top).astype(kind), WHITE_IS_ZERO)
    assert np.array_equal(read_mask(path), lesion)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint32, np.int16])
def test_white_that_is_zero_in_other_numbers_is_refused(kind: type, tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", PICTURE[..., 1].astype(kind), WHITE_IS_ZERO)
    with pytest.raises(InputError, match=r"a\.tif: stores white as zero in .*; save it as RGB"):
        read_image(path)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_channels_apart_are_read_with_8_bits_only(kind: type, tmp_path: Path) -> None:
    apart = np.moveaxis(PICTURE, 2, 0).reshape(-1, PICTURE.shape[1])

    def save(kind: type) -> Path:
        path = write_tiff(tmp_path / "a.tif", PICTURE.astype(kind), more={284: (2,)})
        data = path.read_bytes()
        size = apart.astype(kind).nbytes
        tags = struct.pack("<HHI", 273, 4, 1)
        at = data.index(tags) + 8
        first = struct.unpack_from("<I", data, at)[0]
        offsets = [first + number * size // 3 for number in range(3)]
        data = data[:-size] + apart.astype(kind).tobytes()
        # The lists of the three planes stand at the end.
        for tag, values in ((273, offsets), (279, [size // 3] * 3)):
            entry = struct.pack("<HHI", tag, 4, 1)
            place = data.index(entry)
            changed = struct.pack("<HHII", tag, 4, 3, len(data))
            data = data[:place] + changed + data[place + 12 :] + struct.pack("<3I", *values)
        path.write_bytes(data)
        return path

    assert np.array_equal(read_image(save(np.uint8)), PICTURE)
    bits = 8 * np.dtype(kind).itemsize
    with pytest.raises(InputError, match=f"stores its channels apart with {bits} bits; save it"):
        read_image(save(kind))


@pytest.mark.parametrize("meaning", [0, 1, 2])
@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_alpha_is_dropped_and_never_multiplied(meaning: int, alpha: int, tmp_path: Path) -> None:
    pixels = np.dstack((PICTURE, np.full(PICTURE.shape[:2], alpha, np.uint8)))
    path = write_tiff(tmp_path / "a.tif", pixels, more={338: (meaning,)})
    assert np.array_equal(read_image(path), PICTURE)


def test_the_image_counts_and_not_its_thumbnail(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", PICTURE[::8, ::8].copy(), more={254: (1,)})
    thumbnail = path.read_bytes()
    count = struct.unpack_from("<H", thumbnail, 8)[0]
    next_at = 10 + 12 * count
    linked = thumbnail[:next_at] + struct.pack("<I", len(thumbnail)) + thumbnail[next_at + 4 :]
    path.write_bytes(linked + directory(len(thumbnail), PICTURE, RGB, {}, "<"))
    assert np.array_equal(read_image(path), PICTURE)


def test_colours_that_would_come_out_wrong_are_refused(tmp_path: Path) -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(Image.fromarray(PICTURE), to_lab)
    assert lab
    lab.save(tmp_path / "lab.tif")
    with pytest.raises(InputError, match=r"lab\.tif: has colours that are CIELAB; save it as RGB"):
        read_image(tmp_path / "lab.tif")


LARGE = np.random.default_rng(3).integers(0, 256, (400, 64, 3), np.uint8)


@pytest.mark.parametrize("options", [{}, {"tiffinfo": {278: 1}}, {"tiffinfo": {278: 400}}])
def test_damage_inside_deflate_is_found(options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for compression in ("tiff_deflate", "tiff_adobe_deflate"):
        image = Image.fromarray(LARGE)
        image.save(path, compression=compression, **options)  # type: ignore[arg-type]
        assert np.array_equal(read_image(path), LARGE)
        data = path.read_bytes()
        middle = len(data) * 3 // 4
        path.write_bytes(data[:middle] + bytes(400) + data[middle + 400 :])
        with pytest.raises(InputError, match=r"a\.tif: is damaged \(.*\); copy it again"):
            read_image(path)


def test_damage_inside_deflated_tiles_is_found(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64), np.uint8)
    more = {259: (8,), 322: (64,), 323: (64,)}
    path = write_tiff(tmp_path / "a.tif", pixels, BLACK_IS_ZERO, more)
    start, packed = path.read_bytes()[: -pixels.nbytes], zlib.compress(pixels.tobytes())
    for strip, tile, value in ((273, 324, len(start)), (279, 325, len(packed))):
        at = start.index(struct.pack("<HHI", strip, 4, 1))
        start = start[:at] + struct.pack("<HHII", tile, 4, 1, value) + start[at + 12 :]
    path.write_bytes(start + packed)
    assert np.array_equal(read_image(path)[..., 0], pixels)
    path.write_bytes(start + packed[:2000] + bytes(len(packed) - 2000))
    with pytest.raises(InputError, match=r"a\.tif: is damaged"):
        read_image(path)
