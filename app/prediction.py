"""One photograph, segmented once; all that a slider changes is drawn from what is kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.masks.drawing import draw_outline, fit
from inference.masks.morphometry import Measures
from inference.masks.postprocess import make_mask, stretch
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter

PREVIEW = 900  # longer side of what the page shows, in pixels


@dataclass(frozen=True)
class Prediction:
    """A segmented photograph, as the page keeps it.

    Attributes:
        path: the photograph's file.
        preview: (h, w, 3) uint8 RGB, at most PREVIEW pixels a side.
    """

    path: Path
    lesion: Segmentation
    preview: np.ndarray

    def cut(self, threshold: float, largest_region: bool, fill_holes: bool) -> Prediction:
        """The same probability with the visitor's threshold and clean-up."""
        lesion = self.lesion.cut(threshold, largest_region, fill_holes)
        return dataclasses.replace(self, lesion=lesion)


def predict(segmenter: Segmenter, path: Path) -> Prediction:
    """Decodes a photograph and runs the model on it, once.

    Raises:
        InputError, OSError: as `Segmenter.segment`.
    """
    lesion = segmenter.segment(path)
    preview = lesion.image
    if max(preview.shape) > PREVIEW:
        preview = fit(preview, PREVIEW)
    return Prediction(path, lesion, preview)


def draw_preview(prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """The outline as the page shows it.

    Returns:
        (h, w, 3) uint8 RGB with the outline drawn in, and the (h, w) bool mask.
    """
    lesion, (height, width) = prediction.lesion, prediction.preview.shape[:2]
    mask = make_mask(lesion.probability, height, width, lesion.contract)
    return draw_outline(prediction.preview, mask), mask


def draw_heat(prediction: Prediction) -> np.ndarray:
    """The probability as colours over the photograph: (h, w, 3) uint8 RGB."""
    levels = stretch(prediction.lesion.probability, *prediction.preview.shape[:2])
    heat = cv2.applyColorMap(np.rint(255 * levels).astype(np.uint8), cv2.COLORMAP_INFERNO)
    heat = cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(prediction.preview, 0.4, heat, 0.6, 0)


def list_measures(measures: Measures, words: dict[str, str]) -> str:
    """Measures as a Markdown table."""
    units = {"px": "px", "percent": "%"}
    lines = ["| | |", "|---|---|"]
    for name, value in measures._asdict().items():
        unit = "px²" if name == "area_px" else units.get(name.rpartition("_")[2], "")
        figure = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        lines.append(f"| {words[name]} | {figure} {unit} |")
    return "\n".join(lines)
