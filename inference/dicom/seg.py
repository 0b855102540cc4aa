"""Makes a DICOM SEG (PS3.3, A.51) of a lesion, which refers to the image that it was found on."""

from __future__ import annotations

import re
from copy import deepcopy
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
from pydicom.charset import python_encoding
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from inference.contract import Contract
from inference.dicom.objects import find_class, parse, reading
from inference.dicom.scale import find_scale
from inference.errors import DamageError, DicomError
from inference.version import PROJECT, find_version

REFERENCE = "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Rows Columns".split()
# Of patient and study: a SEG must have them, be they empty (type 2).
IDENTITY = (
    "PatientID PatientName PatientBirthDate PatientSex StudyID StudyDate StudyTime AccessionNumber "
    "ReferringPhysicianName"
).split()
LOSS = "LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod".split()
# What is not of patient and study, and would be copied; or what highdicom does not take.
NOT_IDENTITY = (
    "PixelSpacing SliceThickness SpacingBetweenSlices FrameOfReferenceUID SpecificCharacterSet"
).split()
UID = re.compile(r"[0-9.]{1,64}")  # whose text names nobody
ORIENTATION = re.compile("[LRAPHF]{1,3}")
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
            # A photograph has no thickness; but highdicom opens no SEG that gives a size without one.
            pixel_measures=PixelMeasuresSequence((scale, scale), scale) if scale else None,
        )
        for element in seg.iterall():
            if element.keyword == "ReferencedSOPClassUID":
                element.value = image.SOPClassUID
        seg.PatientOrientation = find_orientation(image)
        if origin.keep_identity and (characters := find_characters(image)):
            seg.SpecificCharacterSet = characters
        if not origin.keep_identity:
            seg.PatientIdentityRemoved = "YES"
            seg.DeidentificationMethod = "Patient and study left out; UIDs kept"
        file = BytesIO()
        seg.save_as(file, enforce_file_format=True)
        return file.getvalue()


def choose_source(image: Dataset, keep_identity: bool) -> Dataset:
    """What highdicom gets of the image, and so all that a SEG can repeat of it.

    It is a secondary capture, which demands nothing: of others highdicom wants positions in the patient,
    or groups of frames, which photographs lack.

    Raises:
        DicomError: the image has no UIDs of its own.
    """
    for keyword in REFERENCE:
        value = image.get(keyword)
        if not value or (keyword.endswith("UID") and not UID.fullmatch(str(value))):
            raise DicomError(
                f"is a DICOM file without {keyword}, so no DICOM SEG can refer to it; leave dicom-seg out"
            )
    source = Dataset()
    source.file_meta = image.file_meta
    if keep_identity:
        image.decode()  # while its character set is known
        source.update(deepcopy(image))
        for keyword in (*NOT_IDENTITY, *LOSS):
            source.pop(keyword, None)
    for keyword in REFERENCE:
        setattr(source, keyword, image[keyword].value)
    source.SOPClassUID = SecondaryCaptureImageStorage
    source.Modality = image.get("Modality") or "OT"  # secondary captures may lack it
    if image.get(LOSS[0]) == "01" and all(image.get(keyword) for keyword in LOSS):
        for keyword in LOSS:
            setattr(source, keyword, image[keyword].value)
    for keyword in IDENTITY:
        setattr(source, keyword, image.get(keyword, "") if keep_identity else "")
    return source


def find_orientation(image: Dataset) -> list[str] | str:
    """Where rows and columns lead, in letters for left, foot and so on; empty if it is not known."""
    found = image.get("PatientOrientation") or ""
    if isinstance(found, str) or not all(ORIENTATION.fullmatch(str(each)) for each in found):
        return ""
    return list(found) if len(found) == 2 else ""


def find_characters(image: Dataset) -> list[str]:
    """The character sets of an image's text.

    Raises:
        DamageError: nobody knows one.
    """
    named = image.get("SpecificCharacterSet") or []
    found = [named] if isinstance(named, str) else list(named)
    if not python_encoding.keys() >= set(found):
        raise DamageError("its character set is unknown")
    return found


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
