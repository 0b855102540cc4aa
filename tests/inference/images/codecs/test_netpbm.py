"""PGM, PPM and PAM files keep their range and their colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import InputError
from inference.images.pixels import read_image, read_levels
from training.synthetic.lesion import make_lesion

PICTURE = make_lesion(np.random.default_rng(2), 48, 64)[0]


def write(path: Path, kind: str, pixels: np.ndarray, largest: int) -> Path:
    """Writes a header with a comment, and bytes behind it."""
    header = f"{kind}\n# made by hand\n64 48\n{largest}\n".encode()
    path.write_bytes(header + pixels.tobytes())
    return path


def write_pam(path: Path, kind: str, pixels: np.ndarray, largest: int = 255) -> Path:
    depth = pixels.size // (48 * 64)
    named = f"TUPLTYPE {kind}\n" if kind else ""
    header = f"P7\nWIDTH 64\nHEIGHT 48\nDEPTH {depth}\nMAXVAL {largest}\n{named}ENDHDR\n"
    path.write_bytes(header.encode() + pixels.tobytes())
    return path


@pytest.mark.parametrize("largest", [2, 15, 100, 254, 255])
def test_levels_reach_up_to_255(largest: int, tmp_path: Path) -> None:
    levels = np.rint(PICTURE * (largest / 255)).astype(np.uint8)
    expected = levels * (255 / largest)
    for path in (
        write(tmp_path / "a.ppm", "P6", levels, largest),
        write_pam(tmp_path / "a.pam", "RGB", levels, largest),
    ):
        assert np.abs(read_image(path) - expected).max() < 0.51
    for path in (
        write(tmp_path / "a.pgm", "P5", levels[..., 1], largest),
        write_pam(tmp_path / "b.pam", "GRAYSCALE", levels[..., 1], largest),
    ):
        assert np.abs(read_levels(path) - expected[..., 1]).max() < 0.51


def test_text_reaches_up_to_255(tmp_path: Path) -> None:
    levels = np.rint(PICTURE * (100 / 255)).astype(int)
    text = "P3\n64 48\n100\n" + " ".join(map(str, levels.ravel().tolist())) + "\n"
    (tmp_path / "a.ppm").write_text(text)
    assert np.abs(read_image(tmp_path / "a.ppm") - levels * 2.55).max() < 1.5


@pytest.mark.parametrize("largest", [300, 511, 1000, 40000])
def test_more_than_8_bits_reach_up_to_255(largest: int, tmp_path: Path) -> None:
    levels = np.rint((PICTURE // 2) * (largest / 255)).astype(
        np.uint16
    )  # as dark as a photo may be
    expected = levels * (255 / largest)
    text = tmp_path / "b.ppm"
    text.write_text(f"P3\n64 48\n{largest}\n" + " ".join(map(str, levels.ravel().tolist())) + "\n")
    for path in (
        write(tmp_path / "a.ppm", "P6", levels.byteswap(), largest),
        write_pam(tmp_path / "a.pam", "RGB", levels.byteswap(), largest),
        text,
    ):
        assert np.abs(read_image(path) - expected).max() < 0.51


@pytest.mark.parametrize("largest", [1023, 4095, 65535])
def test_bits_that_cameras_use_are_those_in_use(largest: int, tmp_path: Path) -> None:
    levels = PICTURE.astype(np.uint16) * 4 + 3
    path = write(tmp_path / "a.ppm", "P6", levels.byteswap(), largest)
    assert np.array_equal(read_image(path), PICTURE)


def test_masks_of_more_than_8_bits_stay(tmp_path: Path) -> None:
    mask = (PICTURE[..., 1] < 120).astype(np.uint16)
    for lesion, expected in ((1, 1), (255, 255), (1000, 255)):
        path = write(tmp_path / "a.pgm", "P5", (mask * lesion).byteswap(), 1000)
        assert np.array_equal(read_levels(path), mask * expected)


def test_masks_of_0_and_1_stay(tmp_path: Path) -> None:
    mask = (PICTURE[..., 1] < 120).astype(np.uint8)
    assert np.array_equal(read_levels(write(tmp_path / "a.pgm", "P5", mask, 1)), mask)


def test_pam_without_a_type_is_opencvs(tmp_path: Path) -> None:
    path = tmp_path / "a.pam"
    path.write_bytes(cv2.imencode(".pam", PICTURE[..., ::-1])[1].tobytes())
    assert np.array_equal(read_image(path), PICTURE)


def test_pam_that_would_be_noise_is_refused(tmp_path: Path) -> None:
    alpha = np.dstack((PICTURE, np.full((48, 64), 255, np.uint8)))
    path = tmp_path / "a.pam"
    for kind, pixels, largest in (
        ("RGB_ALPHA", alpha, 255),
        ("GRAYSCALE_ALPHA", alpha[..., 2:], 255),
        ("BLACKANDWHITE", alpha[..., 0] // 128, 1),
    ):
        with pytest.raises(InputError, match=r"a\.pam: stores PAM of DEPTH .*; save it as RGB"):
            read_image(write_pam(path, kind, pixels, largest))
