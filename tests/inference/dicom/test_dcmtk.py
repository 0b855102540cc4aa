"""Files that another program wrote: DCMTK makes DICOM of a photo, and compresses it in its ways."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import read_image
from inference.masks.segmentation import Segmentation
from tests.inference.dicom.dicom_files import encode_jpeg, paint

IMAGE, _ = paint()
WAYS = {  # command -> how far its pixels may be from the photo's
    "dcmconv +te": 0,
    "dcmconv +ti": 0,
    "dcmconv +tb": 0,
    "dcmcrle": 0,
    "dcmcjpeg +el": 0,
    "dcmcjpeg +e1": 0,
    "dcmcjpeg +eb": 4,
    "dcmcjpeg +eb +cr": 4,
    "dcmcjpeg +ee": 4,
}


def call(command: str, *paths: Path) -> None:
    program, *options = command.split()
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed: apt-get install dcmtk")
    subprocess.run([program, *options, *paths], check=True, capture_output=True)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode_jpeg(IMAGE))
    return path


@pytest.mark.parametrize("kind", ["", "-vlp"])
def test_a_photo_put_into_dicom_is_the_photo(kind: str, photo: Path, tmp_path: Path) -> None:
    call(f"img2dcm {kind}", photo, tmp_path / "x.dcm")
    assert np.array_equal(read_image(tmp_path / "x.dcm"), read_image(photo))
    lesion = Segmentation(
        tmp_path / "x.dcm", np.eye(16, dtype=np.float32), *IMAGE.shape[:2], Contract(size=16)
    )
    lesion.save(tmp_path / "seg.dcm")
    call("dcmdump", tmp_path / "seg.dcm")


@pytest.mark.parametrize("way", WAYS)
def test_other_ways_to_compress(way: str, photo: Path, tmp_path: Path) -> None:
    call("img2dcm -vlp", photo, tmp_path / "x.dcm")
    call("dcmdjpeg", tmp_path / "x.dcm", tmp_path / "raw.dcm")
    call(way, tmp_path / "raw.dcm", tmp_path / "y.dcm")
    found = read_image(tmp_path / "y.dcm").astype(int)
    assert np.abs(found - read_image(photo)).mean() <= WAYS[way]


@pytest.mark.parametrize(("way", "named"), [("dcmcjpls", "JPEG-LS"), ("dcmconv +td", "deflated")])
def test_what_is_not_taken_is_named(way: str, named: str, photo: Path, tmp_path: Path) -> None:
    call("img2dcm", photo, tmp_path / "x.dcm")
    call("dcmdjpeg", tmp_path / "x.dcm", tmp_path / "raw.dcm")
    call(way, tmp_path / "raw.dcm", tmp_path / "y.dcm")
    with pytest.raises(InputError, match=named):
        read_image(tmp_path / "y.dcm")
