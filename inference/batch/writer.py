"""What becomes of one segmented image: the files that were asked for, and its line of masks.csv."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inference.batch.output_paths import refuse_links
from inference.images.pixels import Source
from inference.masks.morphometry import Measures
from inference.masks.segmentation import ENDINGS, Product, Segmentation


class MaskRow(NamedTuple):
    """A line of masks.csv: sizes in pixels of the image, area as a share of the frame."""

    image: str
    mask: str
    width: int
    height: int
    lesion_px: int
    lesion_percent: float


class Done(NamedTuple):
    """A finished image: its line of masks.csv, and its measures where they were asked for."""

    row: MaskRow
    measures: Measures | None


@dataclass(frozen=True)
class Writer:
    """Writes what was asked for of each image; called from several threads.

    Attributes:
        stems: where each image's files go, relative to `output`, without their endings.
        save: products, or csv for the measures.
    """

    output: Path
    stems: dict[Source, Path]
    save: Collection[str]

    def __call__(self, lesion: Segmentation) -> Done:
        assert not isinstance(lesion.source, np.ndarray)  # the images of a run are files
        stem = self.stems[lesion.source]
        refuse_links(self.output, stem)
        written = write_products(lesion, self.output / stem, self.save)
        mask = written["mask"].relative_to(self.output).as_posix() if "mask" in written else ""
        height, width, area = lesion.height, lesion.width, lesion.lesion.area
        percent = round(100 * area / (height * width), 3)
        row = MaskRow(str(lesion.source), mask, width, height, area, percent)
        return Done(row, lesion.measures if "csv" in self.save else None)


def write_products(lesion: Segmentation, stem: Path, save: Collection[str]) -> dict[Product, Path]:
    """Writes the products of one image, all of them or none, and returns their paths."""
    paths = product_paths(stem, save)
    try:
        for path in paths.values():
            lesion.save(path)
    except Exception:
        for path in paths.values():
            with suppress(OSError):  # no such file, or a folder that is in the way
                path.unlink()
        raise
    return paths


def product_paths(stem: Path, save: Iterable[str]) -> dict[Product, Path]:
    """The files of one image that `save` asks for, by product."""
    return {
        product: stem.with_name(stem.name + ending)
        for product, ending in ENDINGS.items()
        if product in save
    }
