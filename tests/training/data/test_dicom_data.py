"""A data set from DICOM images and DICOM SEG masks: the same pixels, and without patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import RLELossless

from inference.contract import Contract
from inference.images.pixels import read_image, read_mask
from inference.masks.png import write_mask
from inference.masks.segmentation import Segmentation
from tests.inference.dicom.dicom_files import (
    SECRETS,
    encode_jpeg,
    paint,
    write_compressed,
    write_jpeg,
    write_native,
)
from training.prepare import prepare

NAMES = [f"1.2.3.{number}" for number in range(9)]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Images of three kinds, named by numbers; masks as SEG, one as PNG, one as both."""
    made = tmp_path / "raw"
    for number, name in enumerate(NAMES):
        image, mask = paint(number, 80, 100)
        path = made / "images" / name
        if number % 3 == 0:
            write_jpeg(path, encode_jpeg(image), 80, 100)
        elif number % 3 == 1:
            write_native(path, image)
        else:
            write_compressed(path, image, RLELossless)
        probability = mask.astype(np.float32)[:80, :80]
        lesion = Segmentation(path, probability, 80, 100, Contract(size=80))
        if number != 4:
            lesion.save(made / "masks" / f"{name}_segmentation.dcm")
        if number in (4, 5):
            write_mask(made / "masks" / f"{name}_segmentation.png", lesion.mask)
    return made


def test_prepare(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    for _ in range(2):  # the second run changes nothing
        assert prepare(raw, data, size=32) == 0
    said = capsys.readouterr().out
    assert "9 images" in said and "rewritten as grey PNG of 0 and 255: 7" in said
    found = {
        path.stem: path for split in ("train", "valid", "test") for path in (data / split).iterdir()
    }
    assert sorted(found) == NAMES
    for name, path in found.items():
        assert np.array_equal(read_image(path), read_image(raw / "images" / name))
        assert path.suffix == (".jpg" if int(name[-1]) % 3 == 0 else ".png")
        mask = data / f"{path.parent.name}_GT" / f"{name}_segmentation.png"
        original = raw / "masks" / f"{name}_segmentation.dcm"
        if original.exists():
            assert np.array_equal(read_mask(mask), read_mask(original))
    for path in data.rglob("*"):
        for secret in SECRETS:
            assert path.is_dir() or secret.encode() not in path.read_bytes(), path


def test_broken_ones_are_left_out_by_name(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = raw / "images" / NAMES[1]
    broken.write_bytes(broken.read_bytes()[:4000])
    assert prepare(raw, tmp_path / "data", size=32) == 1
    said = capsys.readouterr().out
    assert f"left out: {NAMES[1]}: " in said and "damaged DICOM file" in said
    assert not [secret for secret in SECRETS if secret in said]
