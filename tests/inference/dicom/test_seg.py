"""DICOM SEG: what is written is valid, is read back pixel for pixel, and names no patient unasked."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from inference.contract import Contract
from inference.dicom.unwrap import PHOTOGRAPHS
from inference.errors import InputError
from inference.images.pixels import read_image, read_levels, read_mask
from inference.masks.segmentation import Segmentation
from tests.inference.dicom.dicom_files import (
    KINDS,
    PATIENT,
    SECRETS,
    encode_jpeg,
    make_header,
    paint,
    write,
    write_jpeg,
    write_native,
)

IMAGE, MASK = paint()
HEIGHT, WIDTH = MASK.shape
DIGEST = "ab" * 32


def segment(path: Path, probability: np.ndarray | None = None, **fields: Any) -> Segmentation:
    if probability is None:
        probability = np.random.default_rng(1).random((16, 16), np.float32)
    contract = Contract(size=16, provenance={"arch": "attunet_lite0"})
    fields = {"models": (DIGEST,), **fields}
    return Segmentation(path, probability, HEIGHT, WIDTH, contract, **fields)


def complain(path: Path) -> list[str]:
    """The errors that dciodvfy finds."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
    assert "Segmentation" in said  # it knows the kind
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("keep_identity", [False, True])
@pytest.mark.parametrize("ending", ["_segmentation.dcm", "_probability.dcm"])
@pytest.mark.parametrize("name", KINDS)
def test_dciodvfy_finds_no_error(
    name: str, ending: str, keep_identity: bool, tmp_path: Path
) -> None:
    source = KINDS[name][0](tmp_path / "x.dcm", IMAGE)
    segment(source, keep_identity=keep_identity).save(tmp_path / f"x{ending}")
    assert complain(tmp_path / f"x{ending}") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"PixelSpacing": [0.02, 0.02]},
        {"PatientOrientation": ["L", "F"]},
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Änne"},
        {"SpecificCharacterSet": "GB18030", "PatientName": "王^小东"},
        {
            "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
            "PatientName": "Yamada^Tarou=山田^太郎",
            "StudyDescription": "母斑",
        },
        {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientName": "Hong=洪^吉洞=홍^길동"},
        dict.fromkeys(PATIENT),
    ],
)
def test_dciodvfy_on_other_sources(changes: dict[str, Any], tmp_path: Path) -> None:
    source = write_native(tmp_path / "x.dcm", IMAGE, **changes)
    for keep_identity in (False, True):
        segment(source, keep_identity=keep_identity).save(tmp_path / "seg.dcm")
        assert complain(tmp_path / "seg.dcm") == []
        found = pydicom.dcmread(tmp_path / "seg.dcm")
        name = changes.get("PatientName", "")
        if keep_identity and name:
            assert found.PatientName == name
        if "PatientOrientation" in changes:
            assert list(found.PatientOrientation) == ["L", "F"]
        if "PixelSpacing" in changes:
            measures = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
            assert list(map(float, measures.PixelSpacing)) == [0.02, 0.02]
        highdicom.seg.segread(tmp_path / "seg.dcm")


@pytest.mark.parametrize("keep_identity", [False, True])
@pytest.mark.parametrize("kind", sorted(PHOTOGRAPHS))
def test_every_class_gets_one(kind: str, keep_identity: bool, tmp_path: Path) -> None:
    """Those that may have several frames, too; highdicom reads it for the image it is of."""
    changes = {"NumberOfFrames": 1} if "MULTI" in UID(kind).name.upper() else {}
    source = write_native(
        tmp_path / "x.dcm", IMAGE, kind, PixelSpacing=[0.02, 0.02],
        PixelSpacingCalibrationType="FIDUCIAL", **changes,
    )  # fmt: skip
    lesion = segment(source, keep_identity=keep_identity)
    lesion.save(tmp_path / "seg.dcm")
    assert complain(tmp_path / "seg.dcm") == []
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    (uids,) = found.get_source_image_uids()
    assert uids[2] == pydicom.dcmread(source).SOPInstanceUID
    pixels = found.get_pixels_by_source_instance([uids[2]])
    assert np.array_equal(pixels[0, ..., 0] > 0, lesion.mask)
    classes = {each.value for each in found.iterall() if each.keyword == "ReferencedSOPClassUID"}
    assert classes == {kind}


def test_keeping_the_identity_changes_nothing_else(tmp_path: Path) -> None:
    loss = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 20,
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    source = write_native(
        tmp_path / "x.dcm", IMAGE, "photographic", PixelSpacing=[0.3, 0.3], SliceThickness=1, **loss
    )
    found = []
    for keep_identity in (False, True):
        segment(source, keep_identity=keep_identity).save(tmp_path / "seg.dcm")
        assert complain(tmp_path / "seg.dcm") == []
        found.append(pydicom.dcmread(tmp_path / "seg.dcm"))
        for keyword, value in loss.items():
            assert found[-1][keyword].value == value
        assert "PixelMeasuresSequence" not in found[-1].SharedFunctionalGroupsSequence[0]
    assert {each.keyword for each in found[1]} - {each.keyword for each in found[0]} == {
        "StudyDescription"
    }


def test_text_where_a_code_should_be_is_not_copied(tmp_path: Path) -> None:
    source = write_native(tmp_path / "x.dcm", IMAGE, PatientOrientation=["L", "QUIMBY"])
    whole = source.read_bytes()
    segment(source).save(tmp_path / "seg.dcm")
    assert b"QUIMBY" not in (tmp_path / "seg.dcm").read_bytes()
    assert complain(tmp_path / "seg.dcm") == []
    study = str(pydicom.dcmread(source).StudyInstanceUID).encode()
    source.write_bytes(whole.replace(study, b"Quimby ".ljust(len(study), b"x")))
    with pytest.raises(InputError, match="without StudyInstanceUID, so no DICOM SEG"):
        segment(source).save(tmp_path / "seg.dcm")


@pytest.mark.parametrize("level", [0.0, 1.0, None])
def test_a_mask_comes_back_pixel_for_pixel(level: float | None, tmp_path: Path) -> None:
    """Empty and full masks too."""
    source = write_native(tmp_path / "x.dcm", IMAGE)
    probability = None if level is None else np.full((16, 16), level, np.float32)
    lesion = segment(source, probability)
    lesion.save(tmp_path / "mask.dcm")
    assert np.array_equal(read_mask(tmp_path / "mask.dcm"), lesion.mask)
    found = pydicom.dcmread(tmp_path / "mask.dcm")
    assert np.array_equal(found.pixel_array > 0, lesion.mask)
    assert (tmp_path / "mask.dcm").stat().st_size < 10_000


def test_a_probability_comes_back_to_a_level_of_255(tmp_path: Path) -> None:
    smooth = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    lesion = segment(write_native(tmp_path / "x.dcm", IMAGE), smooth)
    lesion.save(tmp_path / "a_probability.dcm")
    lesion.save(tmp_path / "a_probability.png")
    found = pydicom.dcmread(tmp_path / "a_probability.dcm")
    assert (found.SegmentationType, found.SegmentationFractionalType) == (
        "FRACTIONAL",
        "PROBABILITY",
    )
    stored = read_levels(tmp_path / "a_probability.png").astype(int)
    assert np.abs(found.pixel_array.astype(int) - stored).max() <= 1
    cut = found.pixel_array > found.MaximumFractionalValue / 2
    assert np.array_equal(read_mask(tmp_path / "a_probability.dcm"), cut)


def test_it_refers_to_its_source_and_says_who_made_it(tmp_path: Path) -> None:
    source = write_jpeg(tmp_path / "x.dcm", encode_jpeg(IMAGE), HEIGHT, WIDTH)
    segment(source).save(tmp_path / "seg.dcm")
    image, found = pydicom.dcmread(source), pydicom.dcmread(tmp_path / "seg.dcm")
    assert found.StudyInstanceUID == image.StudyInstanceUID
    assert found.SeriesInstanceUID != image.SeriesInstanceUID
    (series,) = found.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    (instance,) = series.ReferencedInstanceSequence
    assert instance.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert instance.ReferencedSOPClassUID == image.SOPClassUID
    (segment_found,) = found.SegmentSequence
    for keyword, code in {
        "SegmentedPropertyCategoryCodeSequence": "49755003",  # morphologically abnormal structure
        "SegmentedPropertyTypeCodeSequence": "52988006",  # lesion
        "AnatomicRegionSequence": "39937001",  # skin
    }.items():
        assert segment_found[keyword].value[0].CodeValue == code
        assert segment_found[keyword].value[0].CodingSchemeDesignator == "SCT"
    (algorithm,) = segment_found.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"  # artificial intelligence
    assert algorithm.AlgorithmName == "attunet_lite0" and DIGEST in algorithm.AlgorithmParameters
    assert "threshold=0.5" in algorithm.AlgorithmParameters.replace(" ", "")
    assert found.DeviceSerialNumber == DIGEST
    assert str(found.SoftwareVersions).startswith("attention-unet ")
    assert found.SegmentationType == "BINARY" and found.PatientOrientation in ("", None)


def test_a_patient_is_named_only_if_asked(tmp_path: Path) -> None:
    source = write_native(tmp_path / "x.dcm", IMAGE)
    segment(source).save(tmp_path / "seg.dcm")
    found = pydicom.dcmread(tmp_path / "seg.dcm")
    assert found.PatientIdentityRemoved == "YES" and found.DeidentificationMethod
    assert not found.PatientName and not found.PatientID and not found.StudyDate
    for secret in (*SECRETS, "20190817", "Wendelstein", "Naevus"):
        assert secret.encode() not in (tmp_path / "seg.dcm").read_bytes(), secret
    segment(source, keep_identity=True).save(tmp_path / "seg.dcm")
    found = pydicom.dcmread(tmp_path / "seg.dcm")
    for keyword in set(PATIENT) - {"InstitutionName"}:
        assert found[keyword].value == PATIENT[keyword], keyword
    assert "PatientIdentityRemoved" not in found


def test_what_no_seg_can_refer_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(encode_jpeg(IMAGE))
    with pytest.raises(
        InputError, match=r"x\.jpg: is not a DICOM file, which a DICOM SEG must refer"
    ):
        segment(tmp_path / "x.jpg").save(tmp_path / "seg.dcm")
    with pytest.raises(InputError, match="an array of pixels: is not a DICOM file"):
        Segmentation(IMAGE, np.zeros((16, 16), np.float32), HEIGHT, WIDTH, Contract(size=16)).save(
            tmp_path / "seg.dcm"
        )
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        header = make_header("dermoscopic", HEIGHT, WIDTH, **{keyword: None})
        source = write(tmp_path / "x.dcm", header, IMAGE.tobytes())
        with pytest.raises(InputError, match=f"without {keyword}, so no DICOM SEG"):
            segment(source).save(tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_a_character_set_that_nobody_knows(tmp_path: Path) -> None:
    """pydicom warns of it; a warning would be an error here, and a line on stderr elsewhere."""
    source = write_native(tmp_path / "x.dcm", IMAGE, SpecificCharacterSet="ISO_IR 100")
    source.write_bytes(source.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    assert np.array_equal(read_image(source), IMAGE)
    segment(source).save(tmp_path / "seg.dcm")
    assert np.array_equal(read_mask(tmp_path / "seg.dcm"), segment(source).mask)
    with pytest.raises(InputError, match=r"copy it again, or leave --keep-identity out$"):
        segment(source, keep_identity=True).save(tmp_path / "seg.dcm")


def try_to(function: Callable[[Path], None], path: Path) -> str:
    """What the error of a function says, if there is one."""
    try:
        function(path)
    except InputError as error:
        return str(error)
    return ""


def test_identities_of_any_kind(tmp_path: Path) -> None:
    """Written or refused in a line that quotes nothing."""
    source = write_native(tmp_path / "x.dcm", IMAGE)
    whole = source.read_bytes()
    for old, new in (
        (b"Vasquez^Ottoline", b"V\xe4squez^\xff\xfe\x80oline"),
        (b"19510203", b"Ottoline"),
        (b"CS\x02\x00F ", b"CS\x02\x00??"),
    ):
        assert old in whole
        source.write_bytes(whole.replace(old, new))
        segment(source).save(tmp_path / "seg.dcm")
        assert complain(tmp_path / "seg.dcm") == []
        said = try_to(segment(source, keep_identity=True).save, tmp_path / "seg.dcm")
        assert not [secret for secret in SECRETS if secret in said]
