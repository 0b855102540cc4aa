"""Label Studio's JSON export: polygons, ellipses and brush strokes, https://labelstud.io/guide/export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from training.data.annotations.annotated import Annotated, Shape, parse_size
from training.data.annotations.polygons import fill_ellipse, fill_polygon

UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what it puts before the names of uploaded files
DRAWN = ("polygonlabels", "ellipselabels", "brushlabels")
OUTLINED_BY = ("points", "vertices", "x", "rle")  # what regions have, and choices and texts lack
CHANNELS = 4  # of brush strokes: red, green, blue and opacity, which is what was painted


def read_label_studio(tasks: list[dict[str, Any]]) -> Iterator[Annotated]:
    """Reads the parsed tasks; of an image that several people annotated, the first annotation counts.

    Tasks without outlines, or whose annotation was cancelled, are left out.
    """
    for task in tasks:
        annotations = [one for one in task["annotations"] if not one.get("was_cancelled")]
        results = [
            result
            for result in (annotations[0]["result"] if annotations else [])
            if "original_width" in result or result.get("type") in DRAWN
        ]
        if results:
            sizes = [parse_size(each, "original_height", "original_width") for each in results]
            shapes = [shape for result in results for shape in read_result(result)]
            left_out = [
                str(result["type"])
                for result in results
                if result["type"] not in DRAWN
                and any(key in result["value"] for key in OUTLINED_BY)
            ]
            yield Annotated(
                find_file(task["data"]), next(filter(None, sizes), None), shapes, left_out
            )


def find_file(data: dict[str, Any]) -> str:
    """The name of a task's image, whichever entry holds its address."""
    if not data:
        raise ValueError("a task names no image")
    address = str(data.get("image") or next(iter(data.values())))
    parts = urlsplit(address)
    # Local storage: /data/local-files/?d=folder/photo.jpg
    local = re.search(r"(?:^|&)d=([^&]+)", parts.query)
    return UPLOADED.sub("", PurePosixPath(unquote(local[1] if local else parts.path)).name)


def read_result(result: dict[str, Any]) -> Iterator[Shape]:
    """Yields the region of a result once for each of its labels; others outline nothing."""
    kind, value = result["type"], result["value"]
    if kind in DRAWN:
        for name in value[kind]:
            yield Shape(str(name), partial(fill_region, kind, value))


def fill_region(kind: str, value: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Fills a region, whose lengths are in percent of the sides: (height, width) bool."""
    percent = np.array((width, height)) / 100
    if kind == "polygonlabels":
        return fill_polygon(np.array(value["points"], float) * percent, height, width)
    if kind == "ellipselabels":
        centre = np.array((value["x"], value["y"]), float) * percent
        radii = np.array((value["radiusX"], value["radiusY"]), float) * percent
        return fill_ellipse(centre, radii, float(value.get("rotation", 0)), height, width)
    return fill_brush(value["rle"], height, width)


def fill_brush(rle: list[int], height: int, width: int) -> np.ndarray:
    """Decodes brush strokes: (height, width) bool, where anything was painted."""
    values = decode_rle(bytes(rle))
    if len(values) != height * width * CHANNELS:
        raise ValueError(f"brush strokes of {len(values)} values for {height} x {width} pixels")
    return values.reshape(height, width, CHANNELS)[..., -1] > 0


def decode_rle(data: bytes) -> np.ndarray:
    """Decodes the run lengths of npm's @thi.ng/rle-pack: (N,) uint8.

    A stream of bits: the number of values (32 bits); the bits of a value - 1 (5 bits); the bits of each
    of four sizes of length, - 1 (4 bits each); then a bit that is 1 if one value is repeated, two that
    choose a size, the length - 1, and the value or values.
    """
    bits = "".join(map("{:08b}".format, data))
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("brush strokes that end too early")
        return int(bits[at - count : at], 2)

    values = np.zeros(read(32), np.uint8)
    word = read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    place = 0
    while place < len(values):
        repeated = read(1)
        end = place + 1 + read(sizes[read(2)])
        if repeated:
            values[place:end] = read(word)
        else:
            values[place:end] = [read(word) for _ in range(place, min(end, len(values)))]
        place = end
    return values
