"""Which spacing of pixels is one on the skin."""

from __future__ import annotations

from typing import Any

import pytest

from inference.dicom.scale import find_scale
from tests.inference.dicom.dicom_files import CLASSES, make_header

KNOWN = [0.02, 0.02]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("dermoscopic", {"PixelSpacing": KNOWN}, 0.02),
        ("photographic", {"PixelSpacing": KNOWN}, None),  # of a sensor, of paper, of a guess
        ("capture", {"PixelSpacing": KNOWN}, None),
        ("photographic", {"PixelSpacing": KNOWN, "PixelSpacingCalibrationType": "FIDUCIAL"}, 0.02),
        ("capture", {"PixelSpacing": KNOWN, "PixelSpacingCalibrationType": "GEOMETRY"}, 0.02),
        ("capture", {"PixelSpacing": KNOWN, "PixelSpacingCalibrationType": "HOPE"}, None),
        ("capture", {"PixelSpacing": KNOWN, "ImagerPixelSpacing": [0.005, 0.005]}, 0.02),
        ("capture", {"PixelSpacing": KNOWN, "NominalScannedPixelSpacing": KNOWN}, None),
        ("dermoscopic", {"PixelSpacing": KNOWN, "ImagerPixelSpacing": KNOWN}, None),
        ("dermoscopic", {"ImagerPixelSpacing": KNOWN}, None),
        ("dermoscopic", {"NominalScannedPixelSpacing": KNOWN}, None),
        ("dermoscopic", {"PixelSpacing": [0.02, 0.03]}, None),
        ("dermoscopic", {"PixelSpacing": [0, 0]}, None),
        ("dermoscopic", {"PixelSpacing": [-0.02, -0.02]}, None),
        ("dermoscopic", {"PixelSpacing": [20, 20]}, None),
        ("dermoscopic", {"PixelSpacing": [1e-300, 1e-300]}, None),
        ("dermoscopic", {"PixelSpacing": 0.02}, None),
        ("dermoscopic", {}, None),
    ],
)
def test_where_spacing_means_skin(
    kind: str, changes: dict[str, Any], expected: float | None
) -> None:
    found = find_scale(make_header(kind, 8, 8, **changes), CLASSES[kind])
    assert found == (None if expected is None else pytest.approx(expected))
