"""The formats that a segmented image is written in, by the names that --save takes.

A new one is a module of this folder and its entry here.
"""

from __future__ import annotations

from pathlib import Path

from inference.errors import InputError
from inference.masks.formats.contour import CONTOUR
from inference.masks.formats.dicom_seg import DICOM_PROBABILITY, DICOM_SEG
from inference.masks.formats.format import Format
from inference.masks.formats.geojson import GEOJSON
from inference.masks.formats.labelme import LABELME
from inference.masks.formats.mask import MASK
from inference.masks.formats.overlay import OVERLAY
from inference.masks.formats.probability import PROBABILITY
from inference.masks.formats.rle import RLE

IN_DICOM = (DICOM_SEG.name, DICOM_PROBABILITY.name)
FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        MASK,
        OVERLAY,
        CONTOUR,
        RLE,
        GEOJSON,
        LABELME,
        PROBABILITY,
        DICOM_SEG,
        DICOM_PROBABILITY,
    )
}


def find_format(path: Path) -> Format:
    """The format that a file's name asks for, by its ending or else its suffix.

    Raises:
        InputError: the name asks for none.
    """
    for found in FORMATS.values():
        if path.name.lower().endswith(found.ending):
            return found
    for found in FORMATS.values():
        if path.suffix.lower() in found.suffixes:
            return found
    known = " ".join(suffix for found in FORMATS.values() for suffix in found.suffixes)
    raise InputError(f"{path}: unknown format; the name must end in {known}")
