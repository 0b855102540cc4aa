"""The options of a run over many images, which `inference.segment` and `inference.cluster` share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from inference.cli import EnsembleOption, JsonFile, ModelOption, ProviderOption, TtaOption
from inference.errors import InputError
from inference.masks.segmentation import Product
from inference.models import SHIPPED
from inference.runtime.providers import Provider
from inference.runtime.segmenter import Segmenter

Saved = Product | Literal["csv", "sheet", "report"]


@dataclass(frozen=True)
class SegmentOptions:
    """How images are segmented, and what is written.

    Attributes:
        output: Folder for the results, in the same tree of folders as the images, and for masks.csv and
            errors.csv.
        save: What to write of each image, at its own size: mask (NAME_segmentation.png, 0 or 255),
            overlay (NAME_overlay.jpg, the outline on the image), contour (NAME_contour.png, only the
            outline), rle (NAME_rle.json, COCO's), geojson (NAME.geojson, polygons),
            probability (NAME_probability.png, 0 to 255). Of the whole run: csv (measures.csv),
            sheet (sheet.jpg, the first 24 overlays on one page), report (report.html, the first 200).
        batch_size: Images computed at once; it changes the speed, not the masks.
        resume: Continue an earlier run into the same folder: finished images are kept. Without --shard,
            also gathers what all shards have done into one masks.csv.
        mm_per_pixel: Size of a pixel, if known: adds sizes in mm to measures.csv.
    """

    model: ModelOption = SHIPPED
    output: Annotated[Path, arg(metavar="FOLDER")] = Path("masks")
    save: tuple[Saved, ...] = ("mask",)
    batch_size: Annotated[int, arg(metavar="N")] = 8
    provider: ProviderOption = "auto"
    ensemble: EnsembleOption = ()
    tta: TtaOption = False
    json_file: JsonFile = None
    resume: bool = False
    mm_per_pixel: Annotated[float | None, arg(metavar="MM", help_behavior_hint="(optional)")] = None

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


# As parameters of a command: images by position, the options without a prefix.
Images = Annotated[
    list[str],
    Positional,
    arg(
        metavar="IMAGES [IMAGES ...]",
        help='Files, folders with subfolders, patterns such as "photos/*.jpg", .zip archives, '
        "videos, http and https addresses, .txt files with one of these per line, or - to read such a "
        "list from stdin.",
        help_behavior_hint="(required)",
    ),
]
Options = Annotated[SegmentOptions, arg(name="")]
