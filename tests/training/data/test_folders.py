"""What the names of folders say: where images and masks lie, and a split of one's own."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from inference.images.pixels import read_image
from inference.images.write import write_image
from tests.training.data.prepared import COUNTS, arrange, read_manifest, snapshot
from training.data.cache import open_split
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
        ("train", "train_GT"),
        ("unlabelled", "ground truth"),
        ("Skin Lesion Segmentation/images", "Skin Lesion Segmentation/labels"),
    ],
)
def test_folders_of_masks_are_known_by_a_word(
    raw: Path, tmp_path: Path, images: str, masks: str
) -> None:
    given = tmp_path / "given"
    shutil.copytree(raw / IMAGES, given / images)
    shutil.copytree(raw / MASKS, given / masks)
    for path in (given / masks).iterdir():
        path.rename(path.with_name(path.name.replace("_segmentation", "")))
    assert prepare(given, tmp_path / "data", size=32) == 0
    assert Counter(row["split"] for row in read_manifest(tmp_path / "data")) == COUNTS


def test_two_folders_of_one_name_each(raw: Path, tmp_path: Path) -> None:
    for path in (raw / IMAGES).iterdir():
        write_image(tmp_path / "photos" / f"{path.stem}.png", read_image(path))
    for path in (raw / MASKS).iterdir():
        name = path.name.replace("_segmentation", "")
        (tmp_path / "outlines").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "outlines" / name)
    data = tmp_path / "data"
    assert prepare(tmp_path / "photos", data, masks=tmp_path / "outlines", size=32) == 0
    assert Counter(row["split"] for row in read_manifest(data)) == COUNTS


def test_ones_own_split_is_kept(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"train": range(12), "val": range(12, 17), "test": range(17, 24)}
    given, data = arrange(raw, tmp_path / "given", parts), tmp_path / "data"
    assert prepare(given, data, size=32) == 0
    assert "your own split is kept" in capsys.readouterr().out
    for split, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        numbers = parts[split]
        assert len(open_split(data, name, 32)) == len(numbers)
        for new, old in enumerate(numbers):
            raw_image = raw / IMAGES / f"SYNTH_{old:07}.jpg"
            assert (data / name / f"{new}.jpg").read_bytes() == raw_image.read_bytes()
    assert Counter(row["split"] for row in read_manifest(data)) == {
        "train": 12,
        "valid": 5,
        "test": 7,
    }
    before = snapshot(data)
    prepare(given, data, size=32)
    assert snapshot(data) == before


def test_validation_images_are_drawn_from_those_of_training(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arrange(raw, tmp_path / "given", {"train": range(20), "test": range(20, 30)})
    assert prepare(given, tmp_path / "data", size=32) == 0
    assert "no validation images were given: 2 drawn from train" in capsys.readouterr().out
    splits = Counter(row["split"] for row in read_manifest(tmp_path / "data"))
    assert splits == {"train": 18, "valid": 2, "test": 10}


def test_a_split_without_test_images_and_twins_on_both_sides_are_said(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arrange(raw, tmp_path / "given", {"train": range(8), "valid": range(6, 10)})
    assert prepare(given, tmp_path / "data", size=32) == 0
    printed = capsys.readouterr().out
    assert "no test images were given" in printed and "warning: 2 groups" in printed
    assert not (tmp_path / "data" / "test").exists()
