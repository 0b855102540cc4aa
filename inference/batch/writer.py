"""What becomes of one segmented image: the files that were asked for, and its line of masks.csv."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inference.batch.output_paths import refuse_links
from inference.errors import InputError
from inference.images.pixels import Source
from inference.masks.formats.registry import FORMATS
from inference.masks.morphometry import Measures
from inference.masks.segmentation import Segmentation

KEEP_IDENTITY = "keep-identity"


class MaskRow(NamedTuple):
    """A line of masks.csv: sizes in pixels of the image, area as a share of the frame.

    The last three are as in `Segmentation`: `check` is yes or no, and what is not known is empty.
    """

    image: str
    mask: str
    width: int
    height: int
    lesion_px: int
    lesion_percent: float
    expected_jaccard: float | None = None
    check: str = ""
    warning: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at it: at its outline, or at the image itself."""
        return self.check == "yes" or bool(self.warning)


class Done(NamedTuple):
    """A finished image: its line of masks.csv, its measures where they were asked for, and its scale.

    The scale is the size of a pixel in mm, where the image's file knows it.
    """

    row: MaskRow
    measures: Measures | None
    mm_per_pixel: float | None = None


@dataclass(frozen=True)
class Writer:
    """Writes what was asked for of each image; called from several threads.

    Attributes:
        stems: where each image's files go, relative to `output`, without their endings.
        save: names of formats, csv for the measures, KEEP_IDENTITY for patients' names in DICOM files.
    """

    output: Path
    stems: dict[Source, Path]
    save: Collection[str]

    def __call__(self, lesion: Segmentation) -> Done:
        """Writes the files of an image.

        Raises:
            InputError: no files can have their names.
            OSError: they cannot be written, as on a full disk.
        """
        assert not isinstance(lesion.source, np.ndarray)  # the images of a run are files
        stem = self.stems[lesion.source]
        if KEEP_IDENTITY in self.save:
            lesion = dataclasses.replace(lesion, keep_identity=True)
        try:
            refuse_links(self.output, stem)
            written = write_products(lesion, self.output / stem, self.save)
        except OSError as error:
            if fault := explain_name(error):
                raise InputError(f"{lesion.source}: {fault}") from error
            raise
        mask = written["mask"].relative_to(self.output).as_posix() if "mask" in written else ""
        row = describe(lesion, str(lesion.source), mask)
        return Done(row, lesion.measures if "csv" in self.save else None, lesion.mm_per_pixel)


def explain_name(error: OSError) -> str:
    """What is wrong with the name of an image whose results cannot be written; empty if nothing is."""
    if error.errno == errno.ENAMETOOLONG:
        return "has too long a name, since its results add an ending to it; rename it"
    if isinstance(error, (FileExistsError, IsADirectoryError, NotADirectoryError)):
        place = Path(error.filename2 or error.filename).name
        return (
            f"{place}, a file or folder in the output folder, is in the way of its results; "
            "rename one of them, or give another --output folder"
        )
    return ""


def describe(lesion: Segmentation, image: str, mask: str) -> MaskRow:
    """The line of masks.csv for an image, by the names of its file and of its mask's."""
    height, width, area = lesion.height, lesion.width, lesion.lesion.area
    percent = round(100 * area / (height * width), 3)
    return MaskRow(image, mask, width, height, area, percent, *judge(lesion))


def judge(lesion: Segmentation) -> tuple[float | None, str, str]:
    """What the last columns of masks.csv say: expected Jaccard index, whether to check it, a warning."""
    expected, check = lesion.expected_jaccard, lesion.needs_check
    return (
        None if expected is None else round(expected, 4),
        "" if check is None else "yes" if check else "no",
        lesion.warning or "",
    )


def write_products(lesion: Segmentation, stem: Path, save: Collection[str]) -> dict[str, Path]:
    """Writes one image in the formats that `save` names, in all of them or none; returns the paths."""
    paths = product_paths(stem, save)
    try:
        for name, path in paths.items():
            FORMATS[name].write(lesion, path)
    except Exception:
        for path in paths.values():
            with suppress(OSError):  # no such file, or a folder that is in the way
                path.unlink()
        raise
    return paths


def product_paths(stem: Path, save: Iterable[str]) -> dict[str, Path]:
    """The files of one image in the formats that `save` names, by format."""
    return {
        name: stem.with_name(stem.name + found.ending)
        for name, found in FORMATS.items()
        if name in save
    }
