"""Segmentation: one segmented image, and everything that is drawn, measured or written of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from inference.contract import Contract
from inference.images.pixels import Source, read_image
from inference.masks.drawing import draw_outline
from inference.masks.formats.registry import find_format
from inference.masks.morphometry import Measures, measure_lesion
from inference.masks.postprocess import find_lesion
from inference.masks.runlength import RunLengths


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One segmented image.

    Attributes:
        source: the image: its file, or (H, W, 3) uint8 RGB pixels.
        probability: (S, S) float32 in [0, 1], at the model's size.
        height, width: the image's own size in pixels.
        contract: how the probability becomes a mask.
    """

    source: Source | np.ndarray
    probability: np.ndarray
    height: int
    width: int
    contract: Contract

    @cached_property
    def lesion(self) -> RunLengths:
        """The mask as run lengths."""
        return find_lesion(self.probability, self.height, self.width, self.contract)

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, at the image's own size."""
        return self.lesion.mask

    @cached_property
    def measures(self) -> Measures:
        """Size and shape of the lesion, in pixels, and how sure the model is."""
        return measure_lesion(self.mask, self.probability)

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, decoded anew each time.

        Raises:
            InputError, OSError: the file has gone or changed.
        """
        return self.source if isinstance(self.source, np.ndarray) else read_image(self.source)

    def overlay(self) -> np.ndarray:
        """The outline drawn on the image: (H, W, 3) uint8 RGB."""
        return draw_outline(self.image, self.mask)

    def cut(
        self,
        threshold: float | None = None,
        largest_region: bool | None = None,
        fill_holes: bool | None = None,
    ) -> Segmentation:
        """The same probability with another threshold or clean-up; None keeps the contract's.

        Raises:
            InputError: the threshold is not between 0 and 1.
        """
        given: dict[str, Any] = {
            "threshold": threshold,
            "largest_region": largest_region,
            "fill_holes": fill_holes,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(self, contract=dataclasses.replace(self.contract, **changes))

    def save(self, path: str | Path) -> None:
        """Writes the mask, or what the file's name asks for, atomically.

        NAME.png is the mask, 8 bits, 0 or 255; NAME.jpg the overlay; NAME.json COCO's run lengths;
        NAME.geojson polygons; NAME_contour.png the outline alone; NAME_probability.png 0 to 255.

        Raises:
            InputError: any other name.
            OSError: it cannot be written.
        """
        path = Path(path)
        find_format(path).write(self, path)
