"""The options of a run over many images, which `inference.segment` and `inference.cluster` share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from inference.batch.overviews import OVERVIEWS
from inference.batch.writer import KEEP_IDENTITY
from inference.cli import (
    EnsembleOption,
    JsonFile,
    ModelOption,
    ProviderOption,
    ThresholdOption,
    TtaOption,
)
from inference.errors import InputError
from inference.masks.formats.registry import FORMATS, IN_DICOM
from inference.models import SHIPPED
from inference.runtime.providers import Provider
from inference.runtime.segmenter import Segmenter


def tabulate_formats() -> str:
    """What --save takes, a line each."""
    files = [(name, f"NAME{found.ending}", found.description) for name, found in FORMATS.items()]
    files += [(name, found.file, found.description) for name, found in OVERVIEWS.items()]
    lines = [f"{name:13}{file}: {description}" for name, file, description in files]
    return "\n".join(("What to write, at each image's own size.", *lines))


@dataclass(frozen=True)
class SegmentOptions:
    """How images are segmented, and what is written.

    Attributes:
        output: Folder for the results, with the same subfolders as the images, and for masks.csv and
            errors.csv.
        batch_size: Images per batch; this changes the speed, not the masks.
        resume: Continue an earlier run in the same folder and keep its finished images. Without --shard,
            this also merges the results of all shards into one masks.csv.
        mm_per_pixel: Size of a pixel, if known: adds sizes in mm to measures.csv. Calibrated DICOM files
            contain it; this option overrides theirs.
        keep_identity: Copy the patient's identity from the image into what dicom-seg writes, so that an
            archive stores both together. Without it, no output names a patient.
    """

    model: ModelOption = SHIPPED
    output: Annotated[Path, arg(metavar="FOLDER")] = Path("masks")
    save: Annotated[
        tuple[str, ...], arg(metavar="FORMAT [FORMAT ...]", help=tabulate_formats())
    ] = ("mask",)
    batch_size: Annotated[int, arg(metavar="N")] = 8
    provider: ProviderOption = "auto"
    ensemble: EnsembleOption = ()
    tta: TtaOption = False
    threshold: ThresholdOption = None
    json_file: JsonFile = None
    resume: bool = False
    mm_per_pixel: Annotated[float | None, arg(metavar="MM", help_behavior_hint="(optional)")] = None
    keep_identity: bool = False

    def check(self) -> None:
        """Refuses what cannot work, before anything is opened.

        Raises:
            InputError: an option is out of range, or there is nothing for a page to show.
        """
        if self.batch_size < 1:
            raise InputError(f"--batch-size {self.batch_size}: must be at least 1; leave it out")
        known = (*FORMATS, *OVERVIEWS)
        if unknown := [name for name in self.save if name not in known]:
            raise InputError(f"--save {unknown[0]}: no such format; choose from {', '.join(known)}")
        for name in self.save:
            if name in OVERVIEWS and OVERVIEWS[name].shows_masks and "mask" not in self.save:
                raise InputError(f"--save {name}: needs the masks too; add mask")
        if self.keep_identity and not set(IN_DICOM) & set(self.save):
            raise InputError(
                "--keep-identity: only dicom-seg output can name a patient; add --save dicom-seg"
            )
        if self.mm_per_pixel is not None and not 0 < self.mm_per_pixel < math.inf:
            raise InputError(
                f"--mm-per-pixel {self.mm_per_pixel}: must be above 0 and finite, as in 0.02"
            )

    @property
    def products(self) -> frozenset[str]:
        """What is written of each image: formats, csv for measures, KEEP_IDENTITY for patients' names."""
        shown = [overview for name, overview in OVERVIEWS.items() if name in self.save]
        measured = {"csv"} if any(overview.shows_measures for overview in shown) else set()
        identity = {KEEP_IDENTITY} if self.keep_identity else set()
        return frozenset(FORMATS.keys() & set(self.save) | measured | identity)

    def open_model(self, threads: int, provider: Provider | None = None) -> Segmenter:
        """Opens the model files.

        Args:
            provider: in place of the option, where it is known what auto becomes.
        """
        opened = provider or self.provider
        return Segmenter(self.model, threads, opened, self.ensemble, self.tta, self.threshold)


# As parameters of a command: images by position, the options without a prefix.
Images = Annotated[
    list[str],
    Positional,
    arg(
        metavar="IMAGES [IMAGES ...]",
        help='Files, folders (searched recursively), patterns such as "photos/*.jpg", .zip archives, '
        "videos, http and https URLs, .txt files with one of these per line, or - to read such a list "
        "from stdin.",
        help_behavior_hint="(required)",
    ),
]
Options = Annotated[SegmentOptions, arg(name="")]
