"""A JPEG decoded at reduced scale is the same image, upright, with its own size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.images.limits import max_pixels
from inference.images.pixels import SPARE, choose_reduction, read_image, read_resized, resize
from inference.masks.png import write_mask
from training.data.cache import open_split
from training.synthetic.lesion import make_lesion

EXIF_ORIENTATION = 0x0112
SIZE = 32


def write_photo(path: Path, height: int, width: int, orientation: int = 1, **options: bool) -> None:
    image, _ = make_lesion(np.random.default_rng(1), 240, 320)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    large = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(large).save(path, quality=92, exif=exif, **options)


def test_the_rule() -> None:
    assert choose_reduction(637, 1022, 160) == 1  # half of it is less than twice 160
    assert choose_reduction(767, 1022, 160) == 2
    assert choose_reduction(2000, 3008, 160) == 4
    assert choose_reduction(4000, 6000, 160) == 8
    assert choose_reduction(8 * SPARE * 100, 20_000, 100) == 8
    assert choose_reduction(8 * SPARE * 100 - 8, 20_000, 100) == 4
    # At an eighth both sides of 1001 x 1005 would be 126: turned or not, it would look the same.
    assert choose_reduction(1001, 1005, 16) == 4
    assert choose_reduction(1001, 1002, 16) == 1
    assert choose_reduction(1001, 1001, 16) == 8
    assert choose_reduction(2**15, 2**14, 16) == 1 and max_pixels() < 2**15 * 2**14


@pytest.mark.parametrize("shape", [(1030, 1411), (1201, 1209), (1200, 1200), (700, 2049)])
@pytest.mark.parametrize("progressive", [False, True])
def test_pixels_are_those_of_a_full_decode(
    shape: tuple[int, int], progressive: bool, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    write_photo(path, *shape, progressive=progressive)
    assert choose_reduction(*shape, SIZE) > 1
    found = read_resized(path, SIZE)
    assert (found.height, found.width) == shape
    expected = resize(read_image(path), SIZE)
    difference = np.abs(found.pixels.astype(int) - expected)
    assert difference.mean() < 1 and difference.max() <= 32  # of 255, at edges


@pytest.mark.parametrize("shape", [(800, 1210), (1193, 1200)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(shape: tuple[int, int], orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    write_photo(path, *shape, orientation)
    found = read_resized(path, SIZE)
    whole = read_image(path)
    assert whole.shape[:2] == (shape if orientation < 5 else shape[::-1])
    assert (found.height, found.width) == whole.shape[:2]
    assert np.abs(found.pixels.astype(int) - resize(whole, SIZE)).mean() < 1


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_other_formats_are_decoded_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix}"
    image, _ = make_lesion(np.random.default_rng(1), 300, 500)
    Image.fromarray(image).save(path)
    found = read_resized(path, SIZE)
    assert (found.height, found.width) == (300, 500)
    assert np.array_equal(found.pixels, resize(read_image(path), SIZE))


def test_training_sees_the_same_pixels(data: Path) -> None:
    split = open_split(data, "valid", 64)
    for name, pixels in zip(split.names, split.images):
        assert np.array_equal(read_resized(data / "valid" / f"{name}.jpg", 64).pixels, pixels)


def test_training_sees_the_same_pixels_of_large_photos(tmp_path: Path) -> None:
    path = tmp_path / "valid" / "large.jpg"
    path.parent.mkdir()
    write_photo(path, 1030, 1411)
    write_mask(tmp_path / "valid_GT" / "large_segmentation.png", np.ones((1030, 1411), bool))
    assert choose_reduction(1030, 1411, SIZE) > 1
    (pixels,) = open_split(tmp_path, "valid", SIZE).images
    assert np.array_equal(read_resized(path, SIZE).pixels, pixels)
    assert not np.array_equal(resize(read_image(path), SIZE), pixels)  # or it shows nothing


def test_real_photos_enlarged_to_cameras_sizes(isic: Path, tmp_path: Path) -> None:
    photos = sorted((isic / "ISIC2018_Task1-2_Training_Input").glob("*.jpg"))[::500]
    for photo, (width, height) in zip(photos, [(1022, 767), (3008, 2000), (6000, 4000)] * 2):
        path = tmp_path / photo.name
        large = cv2.resize(cv2.imread(str(photo)), (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), large)
        found = read_resized(path, 160)
        assert (found.height, found.width) == (height, width)
        difference = np.abs(found.pixels.astype(int) - resize(read_image(path), 160))
        assert difference.mean() < 1


@pytest.mark.parametrize(("limit", "refused"), [("1000000", True), ("1Mb", True), ("2MB", False)])
def test_the_users_limit_holds_for_reduced_images(
    limit: str, refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    write_photo(path, 1200, 1210)
    code = f"""
from pathlib import Path
from inference.images.pixels import read_resized
try:
    print(read_resized(Path({str(path)!r}), {SIZE}).width)
except ValueError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OPENCV_IO_MAX_IMAGE_PIXELS": limit},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("too many pixels" if refused else "1210") in found.stdout
