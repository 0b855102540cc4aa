"""The mask, or the probability, of a DICOM image as a DICOM SEG that refers to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.errors import DicomError, InputError
from inference.extras import explain_missing, is_installed
from inference.files import write_bytes
from inference.images.formats import is_dicom
from inference.masks.formats.format import Format, Segmented
from inference.masks.postprocess import stretch

PACKAGE = "highdicom"


def write_binary(lesion: Segmented, path: Path) -> None:
    write(lesion, lesion.mask, path)


def write_fractional(lesion: Segmented, path: Path) -> None:
    write(lesion, stretch(lesion.probability, lesion.height, lesion.width), path)


def write(lesion: Segmented, levels: np.ndarray, path: Path) -> None:
    """Writes (H, W) bool as a binary SEG, fractions of 1 as a fractional one.

    Raises:
        InputError: the image is not a DICOM file, or one that no SEG can refer to.
    """
    source = lesion.source
    data = b"" if isinstance(source, np.ndarray) else source.read_bytes()
    name = "an array of pixels" if isinstance(source, np.ndarray) else source
    if not is_dicom(data):
        raise InputError(
            f"{name}: is not a DICOM file, which a DICOM SEG must refer to; use --save mask for it"
        )
    if not is_installed(PACKAGE):
        raise InputError(f"{name}: {explain_missing('dicom', PACKAGE)}")
    from inference.dicom.seg import Origin, make_seg  # loads highdicom, which few need

    origin = Origin(lesion.contract, lesion.models, lesion.keep_identity)
    try:
        write_bytes(path, make_seg(data, levels, origin))
    except DicomError as error:
        raise InputError(f"{name}: {error}") from error


DICOM_SEG = Format("dicom-seg", "_segmentation.dcm", "DICOM SEG", write_binary, (".dcm",))
DICOM_PROBABILITY = Format("dicom-prob", "_probability.dcm", "as a DICOM SEG", write_fractional)
