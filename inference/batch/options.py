"""The options of a run over many images, which `inference.segment` and `inference.cluster` share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from inference.errors import InputError
from inference.masks.segmentation import Product
from inference.models import SHIPPED
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import Provider

Saved = Product | Literal["csv", "sheet", "report"]


@dataclass(frozen=True)
class SegmentOptions:
    """How images are segmented, and what is written.

    Attributes:
        model: Model file, as `make export` writes it; default: the one that ships.
        output: Folder for the results, in the same tree of folders as the images, and for masks.csv and
            errors.csv.
        save: What to write of each image, at its own size: mask (NAME_segmentation.png, 8 bits, 0 or
            255); overlay (NAME_overlay.jpg, the outline on the image); contour (NAME_contour.png, the
            outline alone); rle (NAME_rle.json, COCO's); geojson (NAME.geojson, polygons);
            probability (NAME_probability.png, 0 to 255). For the whole run: csv (measures.csv); sheet
            (sheet.jpg, the first 24 overlays on one page); report (report.html, the first 200).
        batch_size: Images computed at once; it changes the speed, not the masks.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann; auto takes the first that works of
            cuda, cann, openvino, cpu.
        ensemble: More model files, whose probabilities are averaged with those of --model.
        tta: Test-time augmentation: average over the image, its two mirror images, and both at once;
            takes 4 times as long.
        json_file: Where to write a summary (images, errors, seconds, fps, seconds per stage).
        resume: Continue an earlier run into the same folder: finished images are kept. Without --shard,
            also gathers what all shards have done into one masks.csv.
        mm_per_pixel: Size of a pixel, if known: adds sizes in mm to measures.csv.
    """

    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")] = SHIPPED
    output: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("masks")
    save: tuple[Saved, ...] = ("mask",)
    batch_size: int = 8
    provider: Provider = "auto"
    ensemble: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="MODEL")] = ()
    tta: Annotated[bool, tyro.conf.arg(aliases=["--flips"])] = False
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None
    resume: bool = False
    mm_per_pixel: float | None = None

    def check(self) -> None:
        """Refuses what cannot work, before anything is opened.

        Raises:
            InputError: an option is out of range, or there is nothing for a page to show.
        """
        if self.batch_size < 1:
            raise InputError(f"--batch-size {self.batch_size}: must be at least 1; leave it out")
        if {"sheet", "report"} & set(self.save) and "mask" not in self.save:
            raise InputError("--save sheet or report: they show the masks; add mask")
        if self.mm_per_pixel is not None and not 0 < self.mm_per_pixel < math.inf:
            raise InputError(
                f"--mm-per-pixel {self.mm_per_pixel}: must be above 0 and finite, as in 0.02"
            )

    @property
    def products(self) -> frozenset[str]:
        """What is written of each image."""
        return frozenset(self.save) - {"sheet", "report"}

    def open_model(self, threads: int, provider: Provider | None = None) -> Segmenter:
        """Opens the model files.

        Args:
            provider: in place of the option, where it is known what auto becomes.
        """
        return Segmenter(self.model, threads, provider or self.provider, self.ensemble, self.tta)
