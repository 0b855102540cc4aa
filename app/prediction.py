"""One photograph, segmented once: everything that a slider changes is drawn from what was kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.contract import Contract
from inference.images.pixels import read_image, read_resized
from inference.masks.drawing import draw_outline, fit
from inference.masks.morphometry import Measures
from inference.masks.postprocess import make_mask, stretch
from inference.runtime.session import Segmenter

PREVIEW = 900  # longer side of what the page shows, in pixels


@dataclass(frozen=True)
class Reading:
    """A segmented photograph.

    Attributes:
        path: the file.
        preview: (h, w, 3) uint8 RGB, at most PREVIEW pixels a side.
        probability: (S, S) float32, as the model gave it.
        height, width: of the photograph, in pixels.
    """

    path: Path
    preview: np.ndarray
    probability: np.ndarray
    height: int
    width: int


def read_photograph(segmenter: Segmenter, path: Path) -> Reading:
    """Decodes a photograph and runs the model on it, once.

    Raises:
        InputError, OSError: as `inference.images.pixels.read_image`.
    """
    pixels, height, width = read_resized(path, segmenter.contract.size)
    probability = segmenter(pixels[None])[0]
    image = read_image(path)
    preview = image if max(height, width) <= PREVIEW else fit(image, PREVIEW)
    return Reading(path, preview, probability, height, width)


def adjust(contract: Contract, threshold: float, largest: bool, holes: bool) -> Contract:
    """The model's contract with the visitor's threshold and clean-up."""
    return dataclasses.replace(
        contract, threshold=threshold, largest_region=largest, fill_holes=holes
    )


def draw_preview(reading: Reading, contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    """The outline as the page shows it.

    Returns:
        (h, w, 3) uint8 RGB with the outline drawn in, and the (h, w) bool mask.
    """
    height, width = reading.preview.shape[:2]
    mask = make_mask(reading.probability, height, width, contract)
    return draw_outline(reading.preview, mask), mask


def draw_heat(reading: Reading) -> np.ndarray:
    """The probability as colours over the photograph: (h, w, 3) uint8 RGB."""
    levels = stretch(reading.probability, *reading.preview.shape[:2])
    heat = cv2.applyColorMap(np.rint(255 * levels).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return cv2.addWeighted(reading.preview, 0.4, cv2.cvtColor(heat, cv2.COLOR_BGR2RGB), 0.6, 0)


def cut(reading: Reading, contract: Contract) -> np.ndarray:
    """The mask at the photograph's own size, as the command line makes it: (H, W) bool."""
    return make_mask(reading.probability, reading.height, reading.width, contract)


def tabulate(measures: Measures, words: dict[str, str]) -> str:
    """Measures as a Markdown table."""
    units = {"px": "px", "percent": "%"}
    lines = ["| | |", "|---|---|"]
    for name, value in measures._asdict().items():
        unit = "px²" if name == "area_px" else units.get(name.rpartition("_")[2], "")
        lines.append(f"| {words[name]} | {value:,.5g} {unit} |")
    return "\n".join(lines)
