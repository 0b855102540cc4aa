"""The mask for labelme, without loss: a JSON file that it opens beside the image, to correct it there."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.files import write_json
from inference.masks.formats.format import CLASS_NAME, Format, Segmented

VERSION = "5.5.0"  # of labelme's format


def encode_labelme(mask: np.ndarray, image_path: str) -> dict[str, Any]:
    """Encodes a mask as labelme's JSON, one shape that holds all regions and holes; none if it is empty.

    Args:
        mask: (H, W) bool.
        image_path: the image's path, relative to the file.
    """
    height, width = mask.shape
    left, top, columns, rows = cv2.boundingRect(mask.view(np.uint8))
    shapes: list[dict[str, Any]] = []
    if columns:
        inside = mask[top : top + rows, left : left + columns]
        png = cv2.imencode(".png", inside.astype(np.uint8) * 255)[1]
        shapes.append(
            {
                "label": CLASS_NAME,
                "points": [[left, top], [left + columns - 1, top + rows - 1]],
                "group_id": None,
                "description": "",
                "shape_type": "mask",
                "flags": {},
                "mask": base64.b64encode(png.tobytes()).decode("ascii"),
            }
        )
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def write(lesion: Segmented, path: Path) -> None:
    source = lesion.source
    image = os.path.relpath(source, path.parent) if isinstance(source, Path) else path.stem
    image = os.fsencode(image).decode("utf-8", "replace")
    write_json(path, encode_labelme(lesion.mask, image.replace(os.sep, "/")))


LABELME = Format("labelme", "_labelme.json", "labelme's file", write)
