"""Makes a DICOM SEG (PS3.3, A.51) of a lesion, which refers to the image that it was found on."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationFractionalTypeValues,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from inference.contract import Contract
from inference.dicom.objects import find_class, parse, reading
from inference.dicom.scale import find_scale
from inference.errors import DicomError
from inference.version import PROJECT, find_version

REFERENCE = "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Rows Columns".split()
# Of patient and study: a SEG must have them, be they empty (type 2).
IDENTITY = (
    "PatientID PatientName PatientBirthDate PatientSex StudyID StudyDate StudyTime AccessionNumber "
    "ReferringPhysicianName"
).split()
SERIES_NUMBER = 100
MAX_TEXT = 64  # characters of a short text in DICOM


class Origin(NamedTuple):
    """Where a mask comes from.

    Attributes:
        contract: how it was cut.
        models: SHA-256 of the model files.
        keep_identity: name the patient and the study as the image does.
    """

    contract: Contract
    models: tuple[str, ...]
    keep_identity: bool


def make_seg(data: bytes, levels: np.ndarray, origin: Origin) -> bytes:
    """Makes the file.

    Args:
        data: of the image's DICOM file.
        levels: (H, W) bool for a binary SEG, or fractions from 0 to 1 for a fractional one.

    Raises:
        DicomError: the image lacks what a SEG needs to refer to it.
    """
    identity = ", or leave --keep-identity out" if origin.keep_identity else ""
    with reading(f"copy it again{identity}"):
        image = parse(data, None, pixels=False)
        source = choose_source(image, origin.keep_identity)
        scale = find_scale(image, find_class(image))
        binary = levels.dtype == bool
        kind = SegmentationTypeValues.BINARY if binary else SegmentationTypeValues.FRACTIONAL
        seg = Segmentation(
            [source],
            levels[None].astype(np.uint8 if binary else np.float32),
            kind,
            [describe_segment(origin)],
            generate_uid(prefix=None),
            SERIES_NUMBER,
            generate_uid(prefix=None),
            1,
            PROJECT,
            name_model(origin),
            f"{PROJECT} {find_version()}",
            origin.models[0] if origin.models else "unknown",
            fractional_type=SegmentationFractionalTypeValues.PROBABILITY,
            omit_empty_frames=False,  # a mask without a lesion is a result, too
            content_label="LESION",
            series_description=f"Skin lesion, found by {PROJECT}",
            pixel_measures=PixelMeasuresSequence((scale, scale), None) if scale else None,
        )
        seg.PatientOrientation = image.get("PatientOrientation") or ""
        if not origin.keep_identity:
            seg.PatientIdentityRemoved = "YES"
            seg.DeidentificationMethod = "Patient and study left out; UIDs kept"
        file = BytesIO()
        seg.save_as(file, enforce_file_format=True)
        return file.getvalue()


def choose_source(image: Dataset, keep_identity: bool) -> Dataset:
    """What highdicom gets of the image, and so all that a SEG can repeat of it.

    Raises:
        DicomError: the image has no UIDs of its own.
    """
    if lacking := [keyword for keyword in REFERENCE if not image.get(keyword)]:
        raise DicomError(
            f"is a DICOM file without {lacking[0]}, so no DICOM SEG can refer to it; leave dicom-seg out"
        )
    source = Dataset()
    source.file_meta = image.file_meta
    if keep_identity:
        source.update(image)
        # With a frame of reference, highdicom wants positions in the patient, which photographs lack.
        source.pop("FrameOfReferenceUID", None)
    for keyword in REFERENCE:
        setattr(source, keyword, image[keyword].value)
    source.Modality = image.get("Modality") or "OT"  # secondary captures may lack it
    for keyword in IDENTITY:
        setattr(source, keyword, image.get(keyword, "") if keep_identity else "")
    return source


def describe_segment(origin: Origin) -> SegmentDescription:
    """The lesion, in SNOMED CT's codes, and the algorithm that found it."""
    contract = origin.contract
    algorithm = AlgorithmIdentificationSequence(
        name=name_model(origin),
        version=find_version(),
        family=codes.cid7162.ArtificialIntelligence,
        source=PROJECT,
        parameters={
            "sha256": " ".join(origin.models),
            "threshold": str(contract.threshold),
            "largest_region": str(contract.largest_region),
            "fill_holes": str(contract.fill_holes),
        },
    )
    return SegmentDescription(
        1,
        "Lesion",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Lesion,
        SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm,
        anatomic_regions=[codes.SCT.Skin],
    )


def name_model(origin: Origin) -> str:
    """The network's name, or else the project's."""
    return str(origin.contract.provenance.get("arch") or PROJECT)[:MAX_TEXT]
