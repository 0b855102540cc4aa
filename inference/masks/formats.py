"""Masks as text, and back: COCO run lengths and GeoJSON polygons; both ways without loss."""

from __future__ import annotations

from collections.abc import Sequence
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
        {"size": [H, W], "counts": text}: runs down the columns, background first.
    """
    pixels = mask.T.ravel()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges = [0] * (1 + bool(pixels[0])) + changes.tolist() + [pixels.size]
    counts = [end - start for start, end in pairwise(edges)]
    return {"size": list(mask.shape), "counts": pack(counts)}


def decode_rle(rle: dict[str, Any]) -> np.ndarray:
    """Turns compressed COCO RLE into a (H, W) bool mask."""
    height, width = rle["size"]
    counts = unpack(rle["counts"])
    levels = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(levels, counts).reshape(width, height).T)


def pack(counts: list[int]) -> str:
    """COCO's text for run lengths: differences to the last but one, five bits a letter, low first."""
    text = bytearray()
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        while True:
            bits, rest = rest & FIVE_BITS, rest >> 5
            # Done when the rest is nothing but the sign, which the fifth bit shows.
            done = rest == (-1 if bits & 0x10 else 0)
            text.append(FIRST + (bits if done else bits | MORE))
            if done:
                break
    return text.decode("ascii")


def unpack(text: str) -> list[int]:
    """Undoes `pack`."""
    counts: list[int] = []
    value = shift = 0
    for letter in text.encode("ascii"):
        bits = letter - FIRST
        value |= (bits & FIVE_BITS) << shift
        shift += 5
        if not bits & MORE:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return counts


def encode_geojson(mask: np.ndarray) -> dict[str, Any]:
    """Encodes a mask as a GeoJSON feature (RFC 7946), a polygon for each 8-connected region.

    Coordinates are (column, row) of the centres of the outermost pixels, from the top left, in pixels;
    a hole's are those of the pixels around it.

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
    """A GeoJSON ring of an outline: the first point again at the end, four points at least."""
    points = outline[:, 0].tolist()
    return points + [points[0]] * max(1, 4 - len(points))


def decode_geojson(feature: dict[str, Any]) -> np.ndarray:
    """Turns a feature of `encode_geojson` into its (H, W) bool mask."""
    size = feature["properties"]["height"], feature["properties"]["width"]
    mask = np.zeros(size, bool)
    for rings in feature["geometry"]["coordinates"]:
        mask |= draw([np.array(ring, np.int32)[:, None] for ring in rings], mask)
    return mask


def draw(outlines: Sequence[np.ndarray], like: np.ndarray) -> np.ndarray:
    """Draws outlines, filled but for those inside another, as a mask: (H, W) bool, as `like`."""
    drawn = np.zeros(like.shape, np.uint8)
    return cv2.drawContours(drawn, outlines, -1, 1, cv2.FILLED).view(bool)
