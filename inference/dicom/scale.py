"""The size of a pixel on the skin, where a DICOM file knows it.

Pixel Spacing is a distance in the patient; but it may also be a copy of the distance on a sensor or on
scanned paper. It is taken where the image was calibrated: where the file says so, or gives the other
distance too and it differs (DICOM PS3.3, 10.7.1.1); and of dermoscopes, whose makers know the distance to
the skin (PS3.17, TTTT.1).
"""

from __future__ import annotations

import math

from pydicom import Dataset
from pydicom.uid import DermoscopicPhotographyImageStorage

SCALE_KEYWORDS = (
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
)
CALIBRATIONS = ("GEOMETRY", "FIDUCIAL")
SQUARE = 0.01  # by which height and width of a pixel may differ, as a share
MIN_MM, MAX_MM = 1e-4, 10.0  # of a pixel; less or more is a slip of the unit


def find_scale(image: Dataset, kind: str) -> float | None:
    """Millimetres of skin that a pixel covers; None if the file does not tell, or pixels are not square.

    Args:
        kind: UID of the image's class.
    """
    spacing = read_spacing(image, "PixelSpacing")
    if spacing is None or abs(spacing[0] - spacing[1]) > SQUARE * max(spacing):
        return None
    others = [read_spacing(image, keyword) for keyword in SCALE_KEYWORDS[2:]]
    uncorrected = [other for other in others if other]
    calibrated = image.get("PixelSpacingCalibrationType") in CALIBRATIONS
    corrected = bool(uncorrected) and spacing not in uncorrected
    dermoscope = not uncorrected and kind == DermoscopicPhotographyImageStorage
    return math.sqrt(spacing[0] * spacing[1]) if calibrated or corrected or dermoscope else None


def read_spacing(image: Dataset, keyword: str) -> tuple[float, float] | None:
    """Distances between rows and between columns in mm; None if there are none that make sense."""
    try:
        rows, columns = map(float, image.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    return (rows, columns) if MIN_MM <= min(rows, columns) <= max(rows, columns) <= MAX_MM else None
