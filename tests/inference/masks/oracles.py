"""What others make of our masks as text: pycocotools and OpenCV."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np
import pytest


def decode_rle(rle: dict[str, Any]) -> np.ndarray:
    """The mask of COCO run lengths, decoded by pycocotools: (H, W) bool."""
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its decoder predates numpy 2
        return coco.decode(rle) > 0


def decode_geojson(feature: dict[str, Any]) -> np.ndarray:
    """The mask of a GeoJSON feature, its polygons filled by OpenCV: (H, W) bool."""
    mask = np.zeros((feature["properties"]["height"], feature["properties"]["width"]), np.uint8)
    for rings in feature["geometry"]["coordinates"]:
        outlines = [np.array(ring, np.int32) for ring in rings]
        mask |= cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED)
    return mask > 0
