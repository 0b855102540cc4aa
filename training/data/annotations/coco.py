"""COCO's instances: polygons, run lengths and crowds, https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from inference.masks.formats.rle import FIRST, FIVE_BITS, MORE
from training.data.annotations.annotated import Annotated, Shape, parse_size
from training.data.annotations.polygons import fill_polygon


def read_coco(content: dict[str, Any]) -> Iterator[Annotated]:
    """Reads a parsed COCO file; annotations without a segmentation are boxes, and left out."""
    names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
    shapes: dict[Any, list[Shape]] = {entry["id"]: [] for entry in content["images"]}
    left_out: dict[Any, list[str]] = {image: [] for image in shapes}
    for entry in content["annotations"]:
        name, image = names[entry["category_id"]], entry["image_id"]
        if segmentation := entry.get("segmentation"):
            shapes[image].append(Shape(name, partial(fill_segmentation, segmentation)))
        else:
            left_out[image].append("box")
    for entry in content["images"]:
        size, image = parse_size(entry, "height", "width"), entry["id"]
        yield Annotated(str(entry["file_name"]), size, shapes[image], left_out[image])


def fill_segmentation(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Fills a list of polygons, all of them together, or run lengths: (height, width) bool."""
    if isinstance(segmentation, dict):
        return fill_runs(segmentation, height, width)
    mask = np.zeros((height, width), bool)
    for points in segmentation:
        mask |= fill_polygon(np.reshape(points, (-1, 2)), height, width)
    return mask


def fill_runs(runs: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Decodes run lengths, compressed (text) or plain, as pycocotools does: (height, width) bool."""
    counts = runs["counts"]
    counts = unpack(counts) if isinstance(counts, str) else [int(count) for count in counts]
    if list(runs["size"]) != [height, width] or sum(counts) != height * width or min(counts) < 0:
        raise ValueError(f"run lengths of {runs['size']} for an image of {height} x {width} pixels")
    values = np.arange(len(counts)) % 2 == 1  # background first
    return np.repeat(values, counts).reshape(width, height).T


def unpack(text: str) -> list[int]:
    """Reads COCO's text for run lengths, as rleFrString of pycocotools' maskApi.c does.

    Each is written as its difference from the last but one, five bits a letter, the lowest first; the
    highest bit of its last letter is the sign.
    """
    counts: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        bits = code - FIRST
        value |= (bits & FIVE_BITS) << shift
        shift += 5
        if bits & MORE:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
