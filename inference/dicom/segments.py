"""Masks in DICOM SEG: the segments of one image, merged."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ImplicitVRLittleEndian

from inference.dicom.frames import LYING, NATIVE
from inference.errors import DamageError, DicomError
from inference.images.limits import require_pixels

SEGMENT_KEYWORDS = (
    "SegmentationType",
    "SegmentSequence",
    "MaximumFractionalValue",
    "PerFrameFunctionalGroupsSequence",
)


def read_segments(found: Dataset) -> np.ndarray:
    """The lesion of a SEG as a mask, (H, W) uint8, 0 or 255: where any segment is.

    Fractions count from above 1/2. Several segments are several lesions if they have the same type.

    Raises:
        DicomError: segments of several types, several images, or a kind of SEG that is not taken.
        DamageError: the header is not what the pixels are.
        TooLargeError: more pixels than are allowed.
    """
    segments = list(found.get("SegmentSequence") or ())
    kind, frames = found.get("SegmentationType"), int(found.get("NumberOfFrames") or 1)
    types = {find_type(segment) for segment in segments}
    if len(types) > 1:
        raise DicomError(
            f"is a DICOM SEG with segments of {len(types)} types; keep only those of the lesion"
        )
    if frames > max(1, len(segments)):
        raise DicomError(
            f"is a DICOM SEG of {frames} frames for {len(segments)} segments: it covers several images; "
            "give a SEG of one image"
        )
    if covers_several(found):
        raise DicomError("is a DICOM SEG that covers several images; give a SEG of one image")
    rows, columns, bits = int(found.Rows), int(found.Columns), int(found.BitsAllocated)
    if kind not in ("BINARY", "FRACTIONAL") or bits != (1 if kind == "BINARY" else 8):
        raise DicomError("is a DICOM SEG that is neither binary nor fractional; save it as binary")
    require_pixels(rows * frames, columns)
    size, given = -(-rows * columns * frames * bits // 8), len(found.get("PixelData", b""))
    if found.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian) not in NATIVE:
        raise DicomError("is a DICOM SEG that is compressed; convert it with gdcmconv --raw")
    if not size or given - size not in (0, size % 2):
        raise DamageError(LYING)
    pixels = pixel_array(found).reshape(frames, rows, columns)
    if kind == "BINARY":
        lesion = pixels.any(axis=0)
    else:
        lesion = (pixels > int(found.get("MaximumFractionalValue") or 255) / 2).any(axis=0)
    return np.where(lesion, np.uint8(255), np.uint8(0))


def covers_several(found: Dataset) -> bool:
    """True if frames are of different images, or show the same segment at different places."""
    images, numbers = set(), []
    for frame in found.get("PerFrameFunctionalGroupsSequence") or ():
        sources = [
            source
            for derivation in frame.get("DerivationImageSequence") or ()
            for source in derivation.get("SourceImageSequence") or ()
        ]
        images.add(frozenset(str(each.get("ReferencedSOPInstanceUID")) for each in sources))
        for segment in frame.get("SegmentIdentificationSequence") or ():
            numbers.append(segment.get("ReferencedSegmentNumber"))
    return len(images) > 1 or len(numbers) > len(set(numbers))


def find_type(segment: Dataset) -> tuple[str, str]:
    """Which kind of thing a segment is, as a coding scheme and a code in it."""
    codes = segment.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
    return str(codes[0].get("CodingSchemeDesignator", "")), str(codes[0].get("CodeValue", ""))
