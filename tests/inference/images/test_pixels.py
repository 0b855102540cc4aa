"""Every kind of image file comes out right, and what is not whole is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.errors import InputError
from inference.images.pixels import (
    explain_opencv,
    read_image,
    read_levels,
    read_mask,
    resize,
    resize_mask,
)
from training.synthetic.lesion import make_lesion

EXIF_ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """(48, 64, 3) uint8 RGB, smooth, so that JPEG keeps it."""
    image, _ = make_lesion(np.random.default_rng(3), 192, 256)
    return cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape and found.dtype == np.uint8
    return float(np.abs(found.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [(".png", 0), (".bmp", 0), (".tif", 0), (".webp", 4), (".jpg", 4), (".ppm", 0)],
)
def test_formats(picture: np.ndarray, tmp_path: Path, suffix: str, tolerance: float) -> None:
    path = tmp_path / f"image{suffix}"
    Image.fromarray(picture).save(path)
    assert difference(read_image(path), picture) <= tolerance


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "I;16"])
def test_modes_look_as_they_do_in_other_viewers(
    picture: np.ndarray, tmp_path: Path, mode: str
) -> None:
    image = Image.fromarray(picture)
    if mode == "I;16":
        grey = np.asarray(image.convert("L"))
        stored, image = Image.fromarray(grey.astype(np.uint16) * 257), Image.fromarray(grey)
    else:
        image = stored = image.convert(mode)
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    stored.save(path, quality=100) if mode == "CMYK" else stored.save(path)
    expected = np.asarray((Image.open(path) if mode == "CMYK" else image).convert("RGB"))
    assert difference(read_image(path), expected) <= (3 if mode == "CMYK" else 0)


def test_16_bit_colour_keeps_the_high_byte(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint16) * 256 + 99)
    assert difference(read_image(path), picture) == 0


def test_alpha_hides_nothing(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    alpha = np.full(picture.shape[:2], 7, np.uint8)
    Image.fromarray(np.dstack((picture, alpha))).save(path)
    assert difference(read_image(path), picture) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: np.ndarray, tmp_path: Path, orientation: int) -> None:
    turned = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture),
        7: picture.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(picture, -1),
    }[orientation]
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    path = tmp_path / "image.jpg"
    Image.fromarray(np.ascontiguousarray(turned)).save(path, quality=98, exif=exif)
    assert difference(read_image(path), picture) < 3


def test_unicode_and_spaces_in_names(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "läsion 病变.png"
    Image.fromarray(picture).save(path)
    assert difference(read_image(path), picture) == 0


def test_what_is_not_a_whole_image_is_refused(picture: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 1
    for suffix in (".jpg", ".png"):
        path = tmp_path / f"image{suffix}"
        Image.fromarray(picture).save(path, exif=exif)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="ends in the middle"):
            read_image(path)
        path.write_bytes(whole + b"\0" * 40)  # cameras append things
        read_image(path)
    for data, reason in ((b"", "is empty"), (b"GIF? no, text", "is not an image")):
        path = tmp_path / "other.jpg"
        path.write_bytes(data)
        with pytest.raises(InputError, match=reason):
            read_image(path)


def test_a_mask_has_one_channel(tmp_path: Path) -> None:
    levels = np.array([[0, 127, 128], [129, 254, 255]], np.uint8)
    path = tmp_path / "mask.png"
    Image.fromarray(levels).save(path)
    assert read_levels(path).tolist() == levels.tolist()
    assert read_mask(path).tolist() == [[False, False, False], [True, True, True]]
    Image.fromarray(levels > 128).save(path)  # 1 bit
    assert read_mask(path).tolist() == [[False, False, False], [True, True, True]]
    Image.fromarray(np.dstack((levels, levels, 255 - levels))).save(path)
    with pytest.raises(InputError, match="3 channels that differ"):
        read_mask(path)
    Image.fromarray(levels.astype(np.uint16)).save(path)
    with pytest.raises(InputError, match="uint16"):
        read_mask(path)


def test_resize_averages_what_a_pixel_covers() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[::2] = 200
    assert (resize(image, 2) == 100).all()
    assert resize(np.full((3, 500, 3), 77, np.uint8), 64).shape == (64, 64, 3)
    stripes = np.zeros((10, 4000, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize(stripes, 50).astype(int) - 100).max() <= 1  # one side grows, one shrinks
    ramp = np.arange(0, 200, 50, dtype=np.uint8)[None, :, None].repeat(4, 0).repeat(3, 2)
    assert len(np.unique(resize(ramp, 16))) > 8  # smooth, not repeated
    assert (resize(np.full((3, 500, 3), 77, np.uint8), 64) == 77).all()


def test_a_mask_is_resized_by_majority(tmp_path: Path) -> None:
    mask = np.zeros((8, 8), bool)
    mask[:4, :4] = True
    mask[4, 4] = True  # a quarter of its pixel
    mask[6:, :1] = True  # half of its pixel
    assert resize_mask(mask, 4).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert not resize_mask(np.zeros((9, 7), bool), 4).any()
    assert resize_mask(np.ones((9, 7), bool), 4).all()


def test_opencvs_reason_is_that_of_the_error_at_hand() -> None:
    with pytest.raises(cv2.error) as first:
        cv2.resize(np.zeros((0, 0, 3), np.uint8), (5, 5))
    with pytest.raises(cv2.error):
        cv2.cvtColor(np.zeros((2, 2), np.uint8), cv2.COLOR_BGR2GRAY)
    assert explain_opencv(first.value) == "!ssize.empty()"
    assert explain_opencv(cv2.error("alloc.cpp:73: Insufficient memory")).endswith("memory")
