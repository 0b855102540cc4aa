"""What becomes of one image: its mask and whatever else was asked for, written beside each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from inference.contract import Contract
from inference.errors import InputError
from inference.files import write_json
from inference.images.pixels import Source, read_image
from inference.images.write import write_image
from inference.masks.drawing import draw_outline
from inference.masks.formats import encode_geojson, encode_rle
from inference.masks.morphometry import Measures, measure
from inference.masks.png import write_mask, write_runs
from inference.masks.postprocess import find_lesion, stretch
from inference.runtime.stream import OUT_OF_MEMORY, Segmented

Product = Literal["mask", "overlay", "contour", "rle", "geojson", "probability", "csv"]
ENDINGS: dict[Product, str] = {
    "mask": "_segmentation.png",
    "overlay": "_overlay.jpg",
    "contour": "_contour.png",
    "rle": "_rle.json",
    "geojson": ".geojson",
    "probability": "_probability.png",
}


class Row(NamedTuple):
    """A line of masks.csv: sizes in pixels of the image, area as a share of the frame."""

    image: str
    mask: str
    width: int
    height: int
    lesion_px: int
    lesion_percent: float


class Failure(NamedTuple):
    """A line of errors.csv."""

    image: str
    error: str


class Done(NamedTuple):
    """A finished image: its line of masks.csv, and its measures where they were asked for."""

    row: Row
    measures: Measures | None


@dataclass(frozen=True)
class Writer:
    """Writes what was asked for of each image; called from several threads.

    Attributes:
        stems: where each image's files go, less their ending, relative to `output`.
    """

    contract: Contract
    output: Path
    stems: dict[Source, Path]
    save: Collection[str]

    def __call__(self, image: Segmented) -> Done | Failure:
        if image.error:
            return Failure(str(image.source), image.error)
        try:
            return self.write(image)
        except (InputError, OSError) as error:  # the image has gone, the disk is full
            return Failure(str(image.source), str(error))
        except MemoryError:
            return Failure(str(image.source), f"{image.source}: {OUT_OF_MEMORY}")

    def write(self, image: Segmented) -> Done:
        lesion = find_lesion(image.probability, image.height, image.width, self.contract)
        stem = self.stems[image.source]
        paths = product_paths(self.output / stem, self.save)
        if "mask" in paths:
            write_runs(paths["mask"], lesion)
        if "overlay" in paths:
            write_image(paths["overlay"], draw_outline(read_image(image.source), lesion.mask))
        if "contour" in paths:
            write_mask(paths["contour"], lesion.mask & ~erode(lesion.mask))
        if "rle" in paths:
            write_json(paths["rle"], encode_rle(lesion.mask))
        if "geojson" in paths:
            write_json(paths["geojson"], encode_geojson(lesion.mask))
        if "probability" in paths:
            levels = np.rint(255 * stretch(image.probability, image.height, image.width))
            write_image(paths["probability"], levels.astype(np.uint8))
        name = stem.with_name(stem.name + ENDINGS["mask"]).as_posix() if "mask" in paths else ""
        percent = round(100 * lesion.area / (image.height * image.width), 3)
        row = Row(str(image.source), name, image.width, image.height, lesion.area, percent)
        measures = measure(lesion.mask, image.probability) if "csv" in self.save else None
        return Done(row, measures)


def product_paths(stem: Path, save: Iterable[str]) -> dict[Product, Path]:
    """The files of one image that `save` asks for, by product."""
    return {
        product: stem.with_name(stem.name + ending)
        for product, ending in ENDINGS.items()
        if product in save
    }


def erode(mask: np.ndarray) -> np.ndarray:
    """Takes the outermost pixels off a (H, W) bool mask; the frame's edge is an end as well."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    levels = cv2.erode(mask.view(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return levels.view(bool)
