"""DICOM files for tests: made-up lesions of made-up patients, as cameras and archives write them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DermoscopicPhotographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
    VLPhotographicImageStorage,
    generate_uid,
)

from training.synthetic.lesion import make_lesion

CLASSES = {
    "dermoscopic": DermoscopicPhotographyImageStorage,
    "photographic": VLPhotographicImageStorage,
    "capture": SecondaryCaptureImageStorage,
}
PATIENT = {
    "PatientName": "Vasquez^Ottoline",
    "PatientID": "MRN-77512",
    "PatientBirthDate": "19510203",
    "PatientSex": "F",
    "StudyDate": "20190817",
    "StudyTime": "101112",
    "StudyID": "STUDY-4711",
    "AccessionNumber": "ACC-90210",
    "ReferringPhysicianName": "Quimby^Horatio",
    "InstitutionName": "Clinic Wendelstein",
    "StudyDescription": "Naevus of Ottoline",
}
SECRETS = ("Vasquez", "Ottoline", "MRN-77512", "19510203", "STUDY-4711", "ACC-90210", "Quimby")


def paint(seed: int = 3, height: int = 90, width: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """A lesion, (H, W, 3) uint8 RGB, and its mask, (H, W) bool."""
    image, mask = make_lesion(np.random.default_rng(seed), height, width)
    return image, mask > 0


def make_header(kind: str, height: int, width: int, **changes: Any) -> Dataset:
    """A header of a photograph in RGB; `changes` replace elements, None removes one."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = CLASSES.get(kind) or UID(kind)
    image.SOPInstanceUID, image.StudyInstanceUID = generate_uid(), generate_uid()
    image.SeriesInstanceUID = generate_uid()
    for keyword, value in PATIENT.items():
        setattr(image, keyword, value)
    image.Modality = "DMS" if kind == "dermoscopic" else "XC"
    if kind == "dermoscopic":
        image.FrameOfReferenceUID, image.PositionReferenceIndicator = generate_uid(), ""
    image.SeriesNumber, image.InstanceNumber = 1, 1
    image.Rows, image.Columns, image.SamplesPerPixel = height, width, 3
    image.PhotometricInterpretation, image.PlanarConfiguration = "RGB", 0
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    for keyword, value in changes.items():
        if value is None:
            image.pop(keyword, None)
        else:
            setattr(image, keyword, value)
    return image


def write(path: Path, image: Dataset, pixels: bytes | None = None) -> Path:
    """Writes a file whose preamble says DICM; `pixels` are as long as the test likes."""
    image.file_meta.MediaStorageSOPClassUID = image.get("SOPClassUID", "1.2.3")
    image.file_meta.MediaStorageSOPInstanceUID = image.get("SOPInstanceUID", "1.2.3")
    if pixels is not None:
        image.PixelData = pixels + bytes(len(pixels) % 2)
        image["PixelData"].VR = "OW" if image.BitsAllocated > 8 else "OB"
        image["PixelData"].is_undefined_length = image.file_meta.TransferSyntaxUID.is_compressed
    file = io.BytesIO()
    pydicom.dcmwrite(file, image, enforce_file_format=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.getvalue())
    return path


def encode_jpeg(image: np.ndarray, quality: int = 95) -> bytes:
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


def write_native(path: Path, image: np.ndarray, kind: str = "dermoscopic", **changes: Any) -> Path:
    return write(path, make_header(kind, *image.shape[:2], **changes), image.tobytes())


def write_jpeg(
    path: Path, jpeg: bytes, height: int, width: int, kind: str = "dermoscopic", **changes: Any
) -> Path:
    changes = {"PhotometricInterpretation": "YBR_FULL_422", **changes}
    image = make_header(kind, height, width, **changes)
    image.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return write(path, image, encapsulate([jpeg]))


def write_compressed(
    path: Path, image: np.ndarray, syntax: UID, kind: str = "dermoscopic", **changes: Any
) -> Path:
    """As pydicom compresses it: RLE, or JPEG 2000."""
    plain = make_header(kind, *image.shape[:2], **changes)
    plain.PixelData = image.tobytes()
    plain["PixelData"].VR = "OB"
    plain.compress(syntax, image, generate_instance_uid=False)
    return write(path, plain)


def to_ybr(image: np.ndarray) -> np.ndarray:
    """YCbCr of the full range, as JPEG has it."""
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    return np.ascontiguousarray(turned[..., [0, 2, 1]])


# name -> writer of one image, and how far its pixels may be from the original on average.
Writer = Callable[[Path, np.ndarray], Path]
KINDS: dict[str, tuple[Writer, float]] = {
    "native RGB": (write_native, 0),
    "native VL": (lambda path, image: write_native(path, image, "photographic"), 0),
    "native SC": (lambda path, image: write_native(path, image, "capture"), 0),
    "planar": (
        lambda path, image: write(
            path,
            make_header("capture", *image.shape[:2], PlanarConfiguration=1),
            np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes(),
        ),
        0,
    ),
    "YBR_FULL": (
        lambda path, image: write_native(path, to_ybr(image), PhotometricInterpretation="YBR_FULL"),
        1,
    ),
    "RLE": (lambda path, image: write_compressed(path, image, RLELossless), 0),
    "JPEG 2000": (
        lambda path, image: write_compressed(
            path, image, JPEG2000Lossless, PhotometricInterpretation="RGB"
        ),
        0,
    ),
    "JPEG": (
        lambda path, image: write_jpeg(path, encode_jpeg(image), *image.shape[:2]),
        4,
    ),
    "JPEG VL": (
        lambda path, image: write_jpeg(path, encode_jpeg(image), *image.shape[:2], "photographic"),
        4,
    ),
    "JPEG SC": (
        lambda path, image: write_jpeg(path, encode_jpeg(image), *image.shape[:2], "capture"),
        4,
    ),
}
