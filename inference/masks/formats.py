"""Masks as text, without loss: COCO run lengths and GeoJSON polygons."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np

FIVE_BITS, MORE, FIRST = 0x1F, 0x20, 48


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Encodes a mask as compressed COCO RLE, as `pycocotools.mask.encode` does.

    Args:
        mask: (H, W) bool.

    Returns:
        {"size": [H, W], "counts": text}: run lengths down the columns, background first.
    """
    pixels = mask.T.ravel()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges = [0] * (1 + bool(pixels[0])) + changes.tolist() + [pixels.size]
    counts = [end - start for start, end in pairwise(edges)]
    return {"size": list(mask.shape), "counts": pack(counts)}


def pack(counts: list[int]) -> str:
    """COCO's text for run lengths.

    Each is written as its difference from the last but one, five bits a letter, the lowest first, as in
    rleToString of pycocotools' maskApi.c.
    """
    text = bytearray()
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        while True:
            bits, rest = rest & FIVE_BITS, rest >> 5
            # Done when all that remains is the sign, which the fifth bit tells.
            done = rest == (-1 if bits & 0x10 else 0)
            text.append(FIRST + (bits if done else bits | MORE))
            if done:
                break
    return text.decode("ascii")


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
