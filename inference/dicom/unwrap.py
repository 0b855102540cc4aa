"""DICOM files as containers: the image file inside, and the size of its pixels.

Photographs in visible light are taken, and masks in DICOM SEG where a mask is read. All else is refused
by the name of its kind, before a pixel is decoded.
"""

from __future__ import annotations

from typing import NamedTuple

from pydicom.uid import (
    DermoscopicPhotographyImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    VLEndoscopicImageStorage,
    VLMicroscopicImageStorage,
    VLPhotographicImageStorage,
)

from inference.dicom.frames import (
    FRAME_KEYWORDS,
    PALETTE_KEYWORDS,
    extract,
    read_layout,
    write_pnm,
)
from inference.dicom.objects import find_class, name_uid, parse, reading
from inference.dicom.scale import SCALE_KEYWORDS, find_scale
from inference.dicom.segments import SEGMENT_KEYWORDS, read_segments
from inference.errors import DamageError, DicomError
from inference.images.limits import require_pixels

PHOTOGRAPHS = frozenset(
    (
        DermoscopicPhotographyImageStorage,
        VLPhotographicImageStorage,
        VLEndoscopicImageStorage,
        VLMicroscopicImageStorage,
        SecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    )
)
KEYWORDS = (
    "SOPClassUID",
    *FRAME_KEYWORDS,
    *PALETTE_KEYWORDS,
    *SCALE_KEYWORDS,
    *SEGMENT_KEYWORDS,
)


class Unwrapped(NamedTuple):
    """What a DICOM file holds.

    Attributes:
        data: an image file, JPEG or PNM.
        mm_per_pixel: size of its pixels on the skin; None if the file does not tell.
    """

    data: bytes
    mm_per_pixel: float | None


def unwrap(data: bytes, masks: bool = False) -> Unwrapped:
    """Takes the image out of a DICOM file, or, where a mask is wanted, the mask out of a DICOM SEG.

    Raises:
        DicomError: it holds none that can be taken, or is damaged.
        TooLargeError: its header claims more pixels than are allowed; nothing was decoded.
    """
    with reading():
        found = parse(data, KEYWORDS)
        kind = find_class(found)
        if masks and kind == SegmentationStorage:
            return Unwrapped(write_pnm(read_segments(found)), None)
        if not kind:
            raise DamageError("it does not say what it holds")
        if kind not in PHOTOGRAPHS:
            raise DicomError(explain_class(kind, masks))
        layout = read_layout(found)
        require_pixels(layout.rows, layout.columns)
        return Unwrapped(extract(found, layout), find_scale(found, kind))


def explain_class(kind: str, masks: bool) -> str:
    """Why an object of this class is not taken, after its name."""
    if masks:
        taken, which = "mask", "DICOM SEG, binary or fractional, or pictures of masks"
    else:
        taken = "photograph"
        which = "Dermoscopic Photography, VL Photographic or Secondary Capture images"
    return f"is a DICOM file of {name_uid(kind)}, not a {taken}; give {which}"
