"""Masks from DICOM SEG, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from inference.errors import InputError
from inference.images.pixels import TooManyPixelsError, read_image, read_mask
from tests.inference.dicom.dicom_files import make_header, paint, write_native

IMAGE, MASK = paint()
HEIGHT, WIDTH = MASK.shape


def describe(number: int, kind: Any) -> highdicom.seg.SegmentDescription:
    return highdicom.seg.SegmentDescription(
        number, f"S{number}", codes.SCT.MorphologicallyAbnormalStructure, kind, "MANUAL"
    )


def make(path: Path, masks: np.ndarray, kinds: list[Any], kind: str = "BINARY") -> Path:
    """A SEG of (1, H, W, segments) masks."""
    source = make_header("photographic", HEIGHT, WIDTH)
    found = highdicom.seg.Segmentation(
        [source], masks, kind, [describe(i + 1, each) for i, each in enumerate(kinds)],
        generate_uid(), 1, generate_uid(), 1, "Maker", "Model", "1", "2",
        omit_empty_frames=False,
    )  # fmt: skip
    found.save_as(path)
    return path


def halves() -> np.ndarray:
    left, right = MASK.copy(), MASK.copy()
    left[:, WIDTH // 2 :], right[:, : WIDTH // 2] = False, False
    return np.stack([left, right], -1)[None].astype(np.uint8)


def test_several_lesions_are_merged(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", halves(), [codes.SCT.Lesion] * 2)
    assert np.array_equal(read_mask(path), MASK)


def test_several_kinds_are_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", halves(), [codes.SCT.Lesion, codes.SCT.Skin])
    with pytest.raises(InputError, match="segments of 2 types; keep only those of the lesion"):
        read_mask(path)


def test_several_images_are_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", MASK[None, ..., None].astype(np.uint8), [codes.SCT.Lesion])
    found = pydicom.dcmread(path)
    found.NumberOfFrames, found.PixelData = 2, 2 * found.PixelData
    found.save_as(path)
    with pytest.raises(InputError, match="2 frames for 1 segments: it covers several images"):
        read_mask(path)


def test_a_segment_for_each_of_two_images_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", halves(), [codes.SCT.Lesion] * 2)
    found = pydicom.dcmread(path)
    frame = found.PerFrameFunctionalGroupsSequence[1]
    (source,) = frame.DerivationImageSequence[0].SourceImageSequence
    source.ReferencedSOPInstanceUID = generate_uid()
    found.save_as(path)
    with pytest.raises(InputError, match="covers several images; give a SEG of one image"):
        read_mask(path)


def test_a_segment_at_two_places_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", halves(), [codes.SCT.Lesion] * 2)
    found = pydicom.dcmread(path)
    frame = found.PerFrameFunctionalGroupsSequence[1]
    frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
    found.save_as(path)
    with pytest.raises(InputError, match="covers several images"):
        read_mask(path)


def test_fractions_are_cut_at_a_half(tmp_path: Path) -> None:
    levels = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(1, HEIGHT, WIDTH, 1)
    path = make(tmp_path / "x.dcm", levels, [codes.SCT.Lesion], "FRACTIONAL")
    assert abs(int(read_mask(path).sum()) - HEIGHT * WIDTH // 2) <= HEIGHT * WIDTH / 255


def test_what_is_no_mask_is_named(tmp_path: Path) -> None:
    path = write_native(tmp_path / "x.dcm", IMAGE, "1.2.840.10008.5.1.4.1.1.66.5")
    with pytest.raises(InputError, match="Surface Segmentation Storage, not a mask; give DICOM"):
        read_mask(path)


def test_it_is_no_photograph(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", halves(), [codes.SCT.Lesion] * 2)
    with pytest.raises(InputError, match="Segmentation Storage, not a photograph"):
        read_image(path)


def test_a_photograph_may_be_a_mask(tmp_path: Path) -> None:
    levels = np.where(MASK, 255, 0).astype(np.uint8)
    changes = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PlanarConfiguration": None,
    }
    path = write_native(tmp_path / "x.dcm", levels, "capture", **changes)
    assert np.array_equal(read_mask(path), MASK)


def test_one_that_lies_is_an_error(tmp_path: Path) -> None:
    path = make(tmp_path / "x.dcm", MASK[None, ..., None].astype(np.uint8), [codes.SCT.Lesion])
    whole = path.read_bytes()
    for keyword, value in {
        "Rows": HEIGHT + 8,
        "NumberOfFrames": 2,
        "BitsAllocated": 8,
        "SegmentationType": "LABELMAP",
        "SegmentSequence": [],
        "PixelData": b"",
    }.items():
        path.write_bytes(whole)
        found = pydicom.dcmread(path)
        setattr(found, keyword, value)
        found.save_as(path)
        if keyword == "SegmentSequence":
            assert np.array_equal(read_mask(path), MASK)
            continue
        with pytest.raises(InputError):
            read_mask(path)
    found = pydicom.dcmread(path)
    found.Rows = found.Columns = 60000
    found.save_as(path)
    with pytest.raises(TooManyPixelsError):
        read_mask(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError):
        read_mask(path)
