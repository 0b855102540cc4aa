"""The commands on DICOM files: found with and without suffix, measured in mm, patients never named."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.evaluate import evaluate
from inference.images.find import find_sources
from inference.images.folders import PassedOver
from inference.images.pixels import read_mask
from inference.segment import segment
from tests.inference.dicom.dicom_files import (
    KINDS,
    SECRETS,
    encode_jpeg,
    make_header,
    paint,
    write,
    write_jpeg,
    write_native,
)
from tests.missing_packages import start_without

IMAGE, MASK = paint()
EVERYTHING = ("mask overlay contour rle geojson labelme probability dicom-seg dicom-prob csv sheet "
              "report coco cvat labelstudio").split()  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a disc from an archive holds: files named by numbers, an index, a report; and a photograph."""
    made = tmp_path / "disc"
    for number, name in enumerate(KINDS):
        KINDS[name][0](made / "DICOM" / f"IM{number:06}", IMAGE)
    for uid in ("1.2.840.4.1", "1.2.840.4.2"):
        write_native(made / uid, IMAGE)
    write_native(made / "camera.dcm", IMAGE)
    write(made / "DICOMDIR", make_header("1.2.840.10008.1.3.10", 8, 8), bytes(192))
    write_native(made / ".hidden.dcm", IMAGE)
    (made / "README").write_text("a disc")
    (made / "photo.jpg").write_bytes(encode_jpeg(IMAGE))
    return made


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_disc_is_searched(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "disc.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            if path.is_file():
                file.write(path, path.relative_to(folder))
    expected = {"photo.jpg", "camera.dcm", "1.2.840.4.1", "1.2.840.4.2"}
    expected |= {f"IM{number:06}" for number in range(len(KINDS))}
    for given in (folder, archive):
        passed: list[PassedOver] = []
        found = find_sources([given], passed)
        assert {relative.name for _, relative in found} == expected
        assert not passed


def test_everything_is_written_and_no_patient_named(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "photo.jpg").unlink()
    sr = make_header("1.2.840.10008.5.1.4.1.1.88.11", 8, 8)
    write(folder / "report", sr, bytes(192))
    output = tmp_path / "out"
    assert segment([str(folder)], SegmentOptions(model, output, tuple(EVERYTHING))) == 1
    (failed,) = read(output / "errors.csv")
    assert "Basic Text SR Storage, not a photograph" in failed["error"]
    assert (output / "1.2.840.4.1_segmentation.png").is_file()  # the whole number is the name
    rows = read(output / "masks.csv")
    assert len(rows) == len(KINDS) + 3
    for row in rows:
        mask = output / row["mask"]
        assert np.array_equal(read_mask(mask), read_mask(mask.with_suffix(".dcm")))
    said = capsys.readouterr()
    for secret in SECRETS:
        assert secret not in said.out + said.err, secret
        for path in output.rglob("*"):
            assert secret not in path.name
            assert path.is_dir() or secret.encode() not in path.read_bytes(), (path, secret)


def test_pixels_whose_size_is_known_are_measured_in_mm(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    write_native(folder / "known.dcm", IMAGE, PixelSpacing=[0.02, 0.02])
    write_native(folder / "unknown.dcm", IMAGE, "photographic", PixelSpacing=[0.02, 0.02])
    jpeg = encode_jpeg(IMAGE)
    write_jpeg(folder / "z.dcm", jpeg, *IMAGE.shape[:2], PixelSpacing=[0.05, 0.05])
    (folder / "photo.jpg").write_bytes(jpeg)

    def measure(**options: object) -> dict[str, tuple[float, float | None]]:
        output = tmp_path / "out"
        save = ("mask", "csv", "report")
        segment([str(folder)], SegmentOptions(model, output, save, **options))  # type: ignore[arg-type]
        return {
            Path(row["image"]).name: (
                float(row["area_px"]),
                float(row["area_mm2"]) if row["area_mm2"] else None,
            )
            for row in read(tmp_path / "out" / "measures.csv")
        }

    for options in ({}, {"resume": True}):
        found = measure(**options)
        assert found["known.dcm"][1] == pytest.approx(found["known.dcm"][0] * 0.02**2, abs=1e-4)
        assert found["z.dcm"][1] == pytest.approx(found["z.dcm"][0] * 0.05**2, abs=1e-4)
        assert found["photo.jpg"][1] is found["unknown.dcm"][1] is None
        page = (tmp_path / "out" / "report.html").read_text()
        assert " mm\u00b2" in page and "as the DICOM files say" in page
    found = measure(mm_per_pixel=0.1)  # what the user says counts
    for pixels, size in found.values():
        assert size == pytest.approx(pixels * 0.01, abs=1e-4)


def test_a_photo_cannot_have_a_seg_and_leaves_nothing(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = SegmentOptions(model, output, ("mask", "dicom-seg"))
    assert segment([str(folder / "photo.jpg"), str(folder / "camera.dcm")], options) == 1
    (failed,) = read(output / "errors.csv")
    assert "photo.jpg: is not a DICOM file, which a DICOM SEG must refer to" in failed["error"]
    assert {path.name for path in output.glob("[!.]*")} == {
        "camera_segmentation.dcm", "camera_segmentation.png", "masks.csv", "errors.csv",
    }  # fmt: skip


def test_identity_is_kept_if_asked_and_a_resumed_run_does_not_mix(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    output, image = tmp_path / "out", str(folder / "camera.dcm")

    def name(keep_identity: bool) -> str:
        options = SegmentOptions(
            model, output, ("dicom-seg",), resume=True, keep_identity=keep_identity
        )
        assert segment([image], options) == 0
        return str(pydicom.dcmread(output / "camera_segmentation.dcm").PatientName)

    assert [name(keep) for keep in (False, True, True, False)] == [
        "", "Vasquez^Ottoline", "Vasquez^Ottoline", "",
    ]  # fmt: skip
    assert "Vasquez" not in (output / "masks.csv").read_text()
    with pytest.raises(
        InputError, match="--keep-identity: only dicom-seg output can name a patient"
    ):
        SegmentOptions(save=("mask",), keep_identity=True).check()


def test_scores_of_images_and_masks_in_dicom(model: Path, tmp_path: Path) -> None:
    for number, uid in enumerate(("1.2.3", "1.2.4", "scan")):
        write_native(tmp_path / "images" / uid, paint(number)[0])
    options = SegmentOptions(model, tmp_path / "masks", ("mask", "dicom-seg"))
    assert segment([str(tmp_path / "images")], options) == 0
    evaluate(
        tmp_path / "images", tmp_path / "masks", model=model, json_file=tmp_path / "a.json"
    )  # both kinds of masks lie there
    for path in (tmp_path / "masks").glob("*.png"):
        path.unlink()
    evaluate(tmp_path / "images", tmp_path / "masks", model=model, json_file=tmp_path / "b.json")
    for name in ("a", "b"):
        scores = json.loads((tmp_path / f"{name}.json").read_text())
        assert scores["images"] == 3 and scores["dice"] == 1


def test_without_the_extra_dicom_files_are_named_and_counted(folder: Path, tmp_path: Path) -> None:
    done = start_without(
        ["pydicom", "highdicom"], "inference.segment", tmp_path, str(folder), "--save", "mask"
    )
    assert done.returncode == 0, done.stderr
    assert f"cannot be used: {len(KINDS) + 3} (DICOM)" in done.stderr
    assert "pydicom is not installed; install it: pip install -e '.[dicom]'" in done.stderr
    done = start_without(
        ["pydicom"], "inference.segment", tmp_path, str(folder / "camera.dcm"), "--output", "o"
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "camera.dcm: is a DICOM image, and pydicom is not installed" in done.stderr
    done = start_without(
        ["highdicom"], "inference.segment", tmp_path, str(folder / "camera.dcm"),
        "--save", "dicom-seg", "--output", "p",
    )  # fmt: skip
    assert "camera.dcm: highdicom is not installed; install it: pip" in done.stderr


def test_pydicom_is_loaded_for_dicom_files_alone(folder: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from inference import load
model = load()
model.segment({str(folder / "photo.jpg")!r})
assert not {{"pydicom", "highdicom"}} & set(sys.modules)
model.segment({str(folder / "camera.dcm")!r})
assert "pydicom" in sys.modules and "highdicom" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
