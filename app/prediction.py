"""One photograph, segmented once; all that a slider or a brush changes is drawn from what is kept."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.correction import Corrected, Stroke
from inference.errors import InputError
from inference.masks.drawing import OUTLINE, draw_outline, fit
from inference.masks.morphometry import Measures, to_millimetres
from inference.masks.postprocess import stretch
from inference.runtime.segmenter import Segmenter

PREVIEW = 900  # longer side of what the page shows, in pixels
TINT = 0.18  # share of colour over the lesion
MAX_MM = 10.0  # of a pixel


@dataclass(frozen=True)
class Prediction:
    """A segmented photograph, as the page keeps it.

    Attributes:
        path: the photograph's file.
        lesion: with the visitor's corrections.
        preview: (h, w, 3) uint8 RGB, at most PREVIEW pixels a side.
    """

    path: Path
    lesion: Corrected
    preview: np.ndarray

    def cut(self, threshold: float, largest_region: bool, fill_holes: bool) -> Prediction:
        """The same probability with the visitor's threshold and clean-up."""
        lesion = self.lesion.cut(threshold, largest_region, fill_holes)
        assert isinstance(lesion, Corrected)
        return dataclasses.replace(self, lesion=lesion)

    def correct(self, strokes: Sequence[Stroke]) -> Prediction:
        """The model's mask with these strokes, in place of earlier ones."""
        lesion = dataclasses.replace(self.lesion, strokes=tuple(strokes))
        return dataclasses.replace(self, lesion=lesion)


def predict(segmenter: Segmenter, path: Path) -> Prediction:
    """Decodes a photograph and runs the model on it, once.

    Raises:
        InputError, OSError: as `Segmenter.segment`.
    """
    found = segmenter.segment(path)
    kept = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    preview = found.image
    if max(preview.shape) > PREVIEW:
        preview = fit(preview, PREVIEW)
    return Prediction(path, Corrected(**kept), preview)


def shrink_mask(prediction: Prediction) -> np.ndarray:
    """The mask at the preview's size: (h, w) bool."""
    height, width = prediction.preview.shape[:2]
    mask = prediction.lesion.mask.view(np.uint8)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST).view(bool)


def draw_preview(prediction: Prediction) -> np.ndarray:
    """The lesion as the page shows it, outlined and lightly tinted: (h, w, 3) uint8 RGB."""
    drawn, mask = prediction.preview.copy(), shrink_mask(prediction)
    drawn[mask] = np.rint((1 - TINT) * drawn[mask] + TINT * np.array(OUTLINE)).astype(np.uint8)
    return draw_outline(drawn, mask)


def draw_heat(prediction: Prediction) -> np.ndarray:
    """The probability as colours over the photograph: (h, w, 3) uint8 RGB."""
    levels = stretch(prediction.lesion.probability, *prediction.preview.shape[:2])
    heat = cv2.applyColorMap(np.rint(255 * levels).astype(np.uint8), cv2.COLORMAP_INFERNO)
    heat = cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(prediction.preview, 0.4, heat, 0.6, 0)


def to_data_url(image: np.ndarray, suffix: str) -> str:
    """An image, (h, w, 3) uint8 RGB or (h, w, 4) BGRA, as an address that holds the image itself."""
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[2] == 3 else image
    _, encoded = cv2.imencode(f".{suffix}", pixels)
    return f"data:image/{suffix};base64,{base64.b64encode(encoded.tobytes()).decode()}"


def check_scale(mm_per_pixel: float | None, words: dict[str, str]) -> float | None:
    """The size of a pixel in mm; None if it is unknown.

    Raises:
        InputError: no such size.
    """
    if not mm_per_pixel:
        return None
    if not 0 < mm_per_pixel <= MAX_MM:
        raise InputError(words["wrong_scale"].format(value=mm_per_pixel))
    return mm_per_pixel


def list_measures(
    measures: Measures, words: dict[str, str], mm_per_pixel: float | None = None
) -> str:
    """Measures as a Markdown table; sizes also in mm, where the scale is known."""
    units = {"px": "px", "percent": "%"}
    sizes = to_millimetres(measures, mm_per_pixel) if mm_per_pixel else {}
    lines = [f"| {words['measures']} | {words['value']} |", "|---|---:|"]
    for name, value in measures._asdict().items():
        if value is None:
            continue
        unit = "px²" if name == "area_px" else units.get(name.rpartition("_")[2], "")
        said = f"{write_figure(value)} {unit}"
        if (
            size := sizes.get(name.replace("_px", "_mm2" if name == "area_px" else "_mm"))
        ) is not None:
            said = f"{write_figure(size)} {'mm²' if name == 'area_px' else 'mm'} ({said})"
        lines.append(f"| {words[name]} | {said} |")
    return "\n".join(lines)


def write_figure(value: float) -> str:
    """A figure for people: never with an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 4):.4g}"
