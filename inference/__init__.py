"""From images to lesion masks with an exported model: numpy, OpenCV and onnxruntime alone.

from inference import load

model = load()
lesion = model.segment("photo.jpg")  # a path, bytes, or an (H, W, 3) uint8 array
lesion.mask  # (H, W) bool; also .probability, .measures, .overlay(), .save("mask.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from inference.images.limits import LIMIT, limit_pixels

if TYPE_CHECKING:
    from inference.contract import Contract
    from inference.masks.segmentation import Segmentation
    from inference.runtime.segmenter import Segmenter, load

__all__ = ["Contract", "Segmentation", "Segmenter", "load"]

limit_pixels(LIMIT)

HOMES = {
    "load": "inference.runtime.segmenter",
    "Segmenter": "inference.runtime.segmenter",
    "Segmentation": "inference.masks.segmentation",
    "Contract": "inference.contract",
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for, and onnxruntime and OpenCV with it, no earlier."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
