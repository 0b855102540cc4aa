"""The mask as GeoJSON polygons, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.files import write_json
from inference.masks.formats.format import Format, Segmented


def encode_geojson(mask: np.ndarray) -> dict[str, Any]:
    """Encodes a mask as a GeoJSON feature (RFC 7946), one polygon per 8-connected region.

    Coordinates are (column, row) in pixels from the top left, at the centres of the outermost pixels;
    those of a hole are of the pixels around it. cv2.drawContours draws the same mask from them.

    Args:
        mask: (H, W) bool.
    """
    outlines, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = tree[0, :, 3].tolist() if outlines else []
    polygons = {i: [close(outlines[i])] for i, parent in enumerate(parents) if parent < 0}
    for i, parent in enumerate(parents):
        if parent >= 0:
            polygons[parent].append(close(outlines[i]))
    return {
        "type": "Feature",
        "properties": {"height": mask.shape[0], "width": mask.shape[1]},
        "geometry": {"type": "MultiPolygon", "coordinates": list(polygons.values())},
    }


def close(outline: np.ndarray) -> list[list[int]]:
    """An outline as a GeoJSON ring: it ends where it began, and has at least four points."""
    points = outline[:, 0].tolist()
    return points + [points[0]] * max(1, 4 - len(points))


def write(lesion: Segmented, path: Path) -> None:
    write_json(path, encode_geojson(lesion.mask))


GEOJSON = Format("geojson", ".geojson", "polygons", write, (".geojson",))
