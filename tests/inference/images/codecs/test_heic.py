"""HEIC files, as telephones write them: upright, whole, within the limit, under any name."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from app.uploads import find_uploads
from inference.errors import InputError
from inference.images.codecs.heic import find_contents
from inference.images.find import find_sources
from inference.images.formats import kind_of_bytes
from inference.images.pixels import TooManyPixelsError, read_image, read_mask, read_resized
from inference.images.write import write_image
from inference.scoring.pairs import find_pairs
from training.prepare import prepare
from training.synthetic.lesion import make_lesion

PICTURE = make_lesion(np.random.default_rng(14), 192, 256)[0]
ORIENTATION = 274
# How pixels lie in a file whose orientation is this.
STORED = {1: PICTURE, 3: PICTURE[::-1, ::-1], 6: np.rot90(PICTURE), 8: np.rot90(PICTURE, -1)}


@pytest.fixture
def heif() -> ModuleType:
    return pytest.importorskip("pillow_heif", reason="the extra heic is not installed")


def encode(heif: ModuleType, pixels: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    height, width = pixels.shape[:2]
    file = io.BytesIO()
    heif.encode(mode, (width, height), pixels.tobytes(), file, quality=95, **options)
    return file.getvalue()


def encode_turned(heif: ModuleType, orientation: int) -> bytes:
    """A file that says in irot and in EXIF data how it is turned, as a telephone's."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(heif, np.ascontiguousarray(STORED[orientation]), exif=exif.tobytes())


def forget_exif(data: bytes, orientation: int) -> bytes:
    tag = b"\x01\x12\0\3\0\0\0\1\0"
    assert tag + bytes([orientation]) in data
    return data.replace(tag + bytes([orientation]), tag + b"\1")


def forget_irot(data: bytes) -> bytes:
    at = data.index(b"irot") + 4
    return data[:at] + b"\0" + data[at + 1 :]


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape and found.dtype == np.uint8
    return float(np.abs(found.astype(int) - expected).mean())


@pytest.mark.parametrize("orientation", STORED)
def test_turned_once(heif: ModuleType, orientation: int, tmp_path: Path) -> None:
    both, path = encode_turned(heif, orientation), tmp_path / "photo.heic"
    for data in (both, forget_exif(both, orientation)):
        path.write_bytes(data)
        assert difference(read_image(path), PICTURE) < 2
        resized = read_resized(path, 32)
        assert (resized.height, resized.width) == PICTURE.shape[:2]


def test_exif_alone_turns_nothing(heif: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(forget_irot(encode_turned(heif, 6)))
    assert difference(read_image(path), STORED[6]) < 2


def test_depths_grey_and_alpha(heif: ModuleType, tmp_path: Path) -> None:
    path, grey = tmp_path / "photo.heic", PICTURE[..., 1]
    alpha = np.full(grey.shape, 7, np.uint8)
    grey_as_colour = np.dstack((grey,) * 3)
    for pixels, mode, expected in (
        (PICTURE.astype(np.uint16) * 257, "RGB;16", PICTURE),  # written with 10 bits
        (grey.astype(np.uint16) * 257, "L;16", grey_as_colour),
        (grey, "L", grey_as_colour),
        (np.dstack((PICTURE, alpha)), "RGBA", PICTURE),
        (np.dstack((grey, alpha)), "LA", grey_as_colour),
    ):
        path.write_bytes(encode(heif, pixels, mode))
        assert difference(read_image(path), expected) < 2, mode


def test_the_primary_image_of_several(heif: ModuleType, tmp_path: Path) -> None:
    height, width = PICTURE.shape[:2]
    burst = heif.from_bytes("RGB", (width, height), bytes(PICTURE.nbytes))
    burst.add_frombytes("RGB", (width, height), PICTURE.tobytes())
    burst.save(tmp_path / "burst.heic", primary_index=1, quality=95)
    assert difference(read_image(tmp_path / "burst.heic"), PICTURE) < 2


def test_a_mask_too(heif: ModuleType, tmp_path: Path) -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[4:20, 8:70] = 255
    (tmp_path / "mask.heic").write_bytes(encode(heif, mask, "L"))
    assert np.mean(read_mask(tmp_path / "mask.heic") != (mask > 0)) < 0.01


@pytest.mark.parametrize("tile_size", [0, 64])
def test_one_cut_short_is_named(heif: ModuleType, tile_size: int, tmp_path: Path) -> None:
    whole = encode(heif, PICTURE, tile_size=tile_size)
    path = tmp_path / "photo.heic"
    path.write_bytes(whole + b"a maker's notes")
    assert difference(read_image(path), PICTURE) < 3
    for length in (30, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"photo\.heic: is damaged .*; copy it again") as error:
            read_image(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("tile_size", [0, 64])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_one_that_was_not_copied_whole_is_named(
    heif: ModuleType, tile_size: int, mode: str, tmp_path: Path
) -> None:
    """It has its length, but zeros in place of the rest, or of a block of the disk."""
    alpha = np.full((*PICTURE.shape[:2], 1), 7, np.uint8)
    pixels = PICTURE if mode == "RGB" else np.concatenate((PICTURE, alpha), 2)
    whole = encode(heif, pixels, mode, tile_size=tile_size)
    path, first = tmp_path / "photo.heic", whole.index(b"mdat") + 4
    path.write_bytes(whole)
    read_image(path)
    length = len(whole) - first
    for begin, end in ((0.1, 1.0), (0.5, 1.0), (0.3, 0.4)):
        at, to = first + int(begin * length), first + int(end * length)
        path.write_bytes(whole[:at] + bytes(to - at) + whole[to:])
        with pytest.raises(InputError, match="a part of the image is missing"):
            read_image(path)


def test_damaged_headers_are_a_line(heif: ModuleType, tmp_path: Path) -> None:
    whole, path = encode(heif, PICTURE), tmp_path / "photo.heic"
    said = []
    for at in range(16, 600, 7):
        path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        try:
            read_image(path)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(error.startswith(f"{path}: ") and "\n" not in error for error in said)


def test_the_limit_holds_before_decoding(heif: ModuleType, tmp_path: Path) -> None:
    data = bytearray(encode(heif, PICTURE))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = (30_000).to_bytes(4, "big") * 2
    path = tmp_path / "photo.heic"
    path.write_bytes(data)
    with pytest.raises(TooManyPixelsError, match=r"too many pixels \(30000 x 30000 > "):
        read_image(path)


def test_content_counts_whatever_the_name(heif: ModuleType, tmp_path: Path) -> None:
    data = encode(heif, PICTURE)
    for name, brand in {"IMG_1.jpg": b"heic", "a.png": b"mif1", "IMG_2.HEIF": b"XXXX"}.items():
        path = tmp_path / name
        path.write_bytes(data[:8] + brand + data[12:])
        assert difference(read_image(path), PICTURE) < 2
    (tmp_path / "IMG_3").write_bytes(data)
    assert [relative.name for _, relative in find_sources([tmp_path])] == [
        "IMG_1.jpg",
        "IMG_2.HEIF",
        "a.png",
    ]


def test_what_avif_is_compatible_with_stays_avif() -> None:
    assert kind_of_bytes(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(9)) == "AVIF"
    assert kind_of_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42heic") is None


def test_every_command_takes_them(heif: ModuleType, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for number in range(12):
        image, mask = make_lesion(np.random.default_rng(number), 96, 128)
        (raw / "images").mkdir(parents=True, exist_ok=True)
        (raw / "images" / f"{number}.HEIC").write_bytes(encode(heif, image))
        write_image(raw / "masks" / f"{number}.png", mask.astype(np.uint8) * 255)
    assert len(find_pairs(raw / "images", raw / "masks")) == 12
    assert prepare(raw, tmp_path / "data", size=32) == 0
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(raw / "images" / "1.HEIC", "1.HEIC")
    uploads = [tmp_path / "photos.zip", raw / "images" / "0.HEIC"]
    sources, failures = find_uploads(uploads)
    assert not failures and [name.name for _, name in sources] == ["1.HEIC", "0.HEIC"]
    assert [read_image(source).shape for source, _ in sources] == [(96, 128, 3)] * 2


def test_absurd_numbers_cost_neither_time_nor_memory() -> None:
    data = bytes(1_000_000)
    item = struct.pack(">HHHHII", 1, 0, 0, 0xFFFF, 0, len(data))
    many = b"\1\0\0\0\x44\0" + struct.pack(">H", 0xFFFF) + item
    assert not list(find_contents(many, data))
    item = struct.pack(">HHHH", 1, 0, 0, 30) + struct.pack(">II", 0, len(data)) * 30
    again = b"\1\0\0\0\x44\0" + struct.pack(">H", 0xFFFF) + item * 2000
    assert sum(len(content) for _, content in find_contents(again, data)) < 100 * len(data)
    assert not list(find_contents(b"\2\0\0\0\x44\0\xff\xff\xff\xff", data))
