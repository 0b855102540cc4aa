"""From images to lesion masks with an exported model: numpy, OpenCV and onnxruntime alone.

from inference import load

model = load()
lesion = model.segment("photo.jpg")  # a path, bytes, or an (H, W, 3) uint8 array
lesion.mask  # (H, W) bool; also .probability, .measures, .overlay(), .save("mask.png")
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inference.images.limits import LIMIT, limit_pixels

if TYPE_CHECKING:
    from inference.contract import Contract
    from inference.masks.segmentation import Segmentation
    from inference.runtime.segmenter import Segmenter, load

__all__ = ["Contract", "Segmentation", "Segmenter", "load"]

limit_pixels(LIMIT)
# onnxruntime 1.32 reports to its maker as soon as it is imported; here patients' photos are segmented.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

HOMES = {
    "load": "inference.runtime.segmenter",
    "Segmenter": "inference.runtime.segmenter",
    "Segmentation": "inference.masks.segmentation",
    "Contract": "inference.contract",
}


def __getattr__(name: str) -> Any:
    """Loads OpenCV and all else only when something is used."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
