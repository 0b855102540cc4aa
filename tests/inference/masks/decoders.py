"""Other people's ways to read masks back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

# Of pycocotools, whose decoder predates numpy 2.
OLD_NUMPY = "ignore:__array__ implementation:DeprecationWarning"


def draw_geojson(feature: dict[str, Any]) -> np.ndarray:
    """The mask of a feature's polygons, drawn by OpenCV: (H, W) bool."""
    mask = np.zeros((feature["properties"]["height"], feature["properties"]["width"]), np.uint8)
    for rings in feature["geometry"]["coordinates"]:
        polygon = np.zeros_like(mask)
        outlines = [np.array(ring, np.int32) for ring in rings]
        mask |= cv2.drawContours(polygon, outlines, -1, 1, cv2.FILLED)
    return mask > 0
