"""Segmentation: one segmented image, and everything that is drawn, measured or written of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from inference.contract import UNFITTED, Contract
from inference.images.pixels import Source, read_image, resize
from inference.masks.confidence import expect_jaccard, find_strangeness
from inference.masks.drawing import draw_outline, fit
from inference.masks.formats.registry import find_format
from inference.masks.morphometry import Measures, measure_lesion
from inference.masks.postprocess import find_lesion
from inference.masks.runlength import RunLengths

Caution = Literal["no lesion", "not a lesion"]
CAUTIONS: dict[Caution, str] = {
    "no lesion": "no lesion was found",
    "not a lesion": "does not look like a dermoscopic photo of a lesion",
}

SHOWN = 512  # pixels of the longer side, at most, in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """One segmented image. Notebooks show it with its outline.

    Attributes:
        source: the image: its file, or (H, W, 3) uint8 RGB pixels.
        probability: (S, S) float32 in [0, 1], at the model's size.
        height, width: the image's own size in pixels.
        contract: how the probability becomes a mask.
        pixels: (S, S, 3) uint8 RGB, the image as the model saw it; None: it is read again when needed.
        mm_per_pixel: size of the image's pixels on the skin, where its file knows it.
        models: SHA-256 of the model files.
        keep_identity: DICOM files that are written of it name the patient whom their source names.
    """

    source: Source | np.ndarray
    probability: np.ndarray
    height: int
    width: int
    contract: Contract
    pixels: np.ndarray | None = None
    mm_per_pixel: float | None = None
    models: tuple[str, ...] = ()
    keep_identity: bool = False

    def __repr__(self) -> str:
        source = "an array" if isinstance(self.source, np.ndarray) else self.source
        share = self.lesion.area / (self.height * self.width)
        expected = self.expected_jaccard
        return (
            f"<Segmentation of {source}: {self.width} x {self.height} pixels, lesion {share:.1%}"
            + ("" if expected is None else f", expected Jaccard {expected:.2f}")
            + (", to be checked>" if self.needs_check else ">")
        )

    def _repr_png_(self) -> bytes:
        drawn = self.overlay()
        shown = fit(drawn, SHOWN) if max(drawn.shape) > SHOWN else drawn
        return cv2.imencode(".png", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))[1].tobytes()

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
        """Size and shape of the lesion, in pixels."""
        return measure_lesion(self.mask, self.probability)

    @cached_property
    def expected_jaccard(self) -> float | None:
        """The Jaccard index that an expert's outline is expected to give, in [0, 1]; 0 for an empty mask.

        None if the model's contract does not say how to tell.
        """
        if self.contract.confidence is None:
            return None
        if not self.lesion.area:  # a few pixels of the map may lie between those of a small image
            return 0.0
        return expect_jaccard(self.probability, self.inside, self.contract.confidence)

    @cached_property
    def warning(self) -> Caution | None:
        """Why the image itself is in doubt, a key of CAUTIONS; None if it is not, or cannot be told."""
        if not self.lesion.area:
            return "no lesion"
        if self.contract.strangeness is None or self.expected_jaccard is None:
            return None
        pixels = resize(self.image, len(self.probability)) if self.pixels is None else self.pixels
        strangeness = find_strangeness(
            pixels, self.inside, self.expected_jaccard, self.contract.strangeness
        )
        return "not a lesion" if strangeness > 0 else None

    @property
    def needs_check(self) -> bool | None:
        """Whether somebody should look at the outline; None if the contract does not say how to tell."""
        if self.expected_jaccard is None or self.contract.check_below is None:
            return None
        return self.expected_jaccard < self.contract.check_below or self.warning is not None

    @property
    def doubt(self) -> dict[str, float | bool | str | None]:
        """The three above by the names of the tables: expected_jaccard, check, warning."""
        return {
            "expected_jaccard": self.expected_jaccard,
            "check": self.needs_check,
            "warning": self.warning,
        }

    @cached_property
    def inside(self) -> np.ndarray:
        """The mask at the model's size: (S, S) bool."""
        size = len(self.probability)
        return find_lesion(self.probability, size, size, self.contract).mask

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

        With another threshold there is no `expected_jaccard`: it was fitted at the contract's own.

        Raises:
            InputError: the threshold is not between 0 and 1.
        """
        given: dict[str, Any] = {
            "threshold": threshold,
            "largest_region": largest_region,
            "fill_holes": fill_holes,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if threshold not in (None, self.contract.threshold):
            changes.update(UNFITTED)
        return dataclasses.replace(self, contract=dataclasses.replace(self.contract, **changes))

    def save(self, path: str | Path) -> None:
        """Writes the mask, or what the file's name asks for, atomically.

        NAME.png is the mask, 8 bits, 0 or 255; NAME.jpg the overlay; NAME.json COCO's run lengths;
        NAME.geojson polygons; NAME_contour.png the outline alone; NAME_probability.png 0 to 255; NAME.dcm
        a DICOM SEG, if the image is a DICOM file.

        Raises:
            InputError: any other name.
            OSError: it cannot be written.
        """
        path = Path(path)
        find_format(path).write(self, path)
