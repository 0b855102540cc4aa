"""The layouts in which people keep images and masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.errors import InputError
from tests.training.data.prepared import read_manifest
from training.data.layout import find_split
from training.data.pairs import find_pairs, give_splits
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS

FOLDERS = {
    "split, then kind": ("{split}/images/{name}.jpg", "{split}/masks/{name}.png"),
    "kind, then split": ("images/{split}/{name}.jpg", "masks/{split}/{name}.png"),
    "labels": ("{split}/images/{name}.jpg", "{split}/labels/{name}.png"),
    "as prepared": ("{split}/{name}.jpg", "{split}_GT/{name}_segmentation.png"),
    "side by side": ("{split}/{name}.jpg", "{split}/{name}_mask.png"),
    "joined words": ("{split}_images/{name}.jpg", "{split}_masks/{name}.png"),
    "years": ("{split}2017/{name}.jpg", "annotations/{split}2017/{name}.png"),
    "one folder of masks": ("images/{split}/{name}.jpg", "masks/{name}.png"),
    "ISIC 2017": (
        "ISIC-2017_{split}_Data/ISIC_{name}.jpg",
        "ISIC-2017_{split}_Part1_GroundTruth/ISIC_{name}_segmentation.png",
    ),
    "ISIC 2016": (
        "ISBI2016_ISIC_Part1_{split}_Data/ISIC_{name}.jpg",
        "ISBI2016_ISIC_Part1_{split}_GroundTruth/ISIC_{name}_Segmentation.png",
    ),
}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize("layout", FOLDERS)
@pytest.mark.parametrize(
    "words",
    [("train", "valid", "test"), ("Training", "Validation", "Test"), ("train", "val", "test")],
)
def test_a_split_in_folders_is_kept(tmp_path: Path, layout: str, words: tuple[str, ...]) -> None:
    for number, word in enumerate(words):
        for pattern in FOLDERS[layout]:
            touch(tmp_path, *(pattern.format(split=word, name=f"{number}{n}") for n in "abc"))
    touch(tmp_path, "readme.txt")
    pairs, alone = find_pairs(tmp_path)
    assert len(pairs) == 9 and not alone
    for pair in pairs:
        assert pair.split == ("train", "valid", "test")[int(pair.name[-2])]
        assert pair.image.suffix == ".jpg" and pair.mask.suffix == ".png"


def test_splits_may_use_the_same_names(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        touch(tmp_path, f"{split}/images/1.png", f"{split}/masks/1.png")
    pairs, _ = find_pairs(tmp_path)
    assert {pair.key for pair in pairs} == {"train/1", "valid/1", "test/1"}
    assert all(pair.image.parents[1] == pair.mask.parents[1] for pair in pairs)


def test_images_without_masks_make_no_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/images/1.png", "train/masks/1.png", "test/images/1.png")
    pairs, alone = find_pairs(tmp_path)
    assert [(pair.key, pair.split) for pair in pairs] == [("1", "")]
    assert len(alone) == 1 and alone[0].endswith("test/images/1.png has no mask")


def test_the_tree_of_ph2(tmp_path: Path) -> None:
    root = tmp_path / "PH2Dataset"
    for name in ("IMD002", "IMD003", "IMD004"):
        folder = f"PH2 Dataset images/{name}"
        touch(root, f"{folder}/{name}_Dermoscopic_Image/{name}.bmp")
        touch(root, f"{folder}/{name}_lesion/{name}_lesion.bmp")
        touch(root, f"{folder}/{name}_roi/{name}_R1_Label4.bmp")
    pairs, alone = find_pairs(root)
    assert not alone
    assert [(p.name, p.image.name, p.mask.name, p.split) for p in pairs] == [
        (name, f"{name}.bmp", f"{name}_lesion.bmp", "") for name in ("IMD002", "IMD003", "IMD004")
    ]


def test_superpixels_are_no_images(tmp_path: Path) -> None:
    data, truth = "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"
    touch(tmp_path, f"{data}/x.jpg", f"{data}/x_superpixels.png", f"{truth}/x_segmentation.png")
    pairs, alone = find_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["x"] and not alone


def test_an_image_may_be_called_lesion(tmp_path: Path) -> None:
    touch(tmp_path, "images/a_lesion.jpg", "masks/a_lesion.png")
    pairs, alone = find_pairs(tmp_path)
    assert [(p.name, p.image.parent.name) for p in pairs] == [("a_lesion", "images")] and not alone
    pairs, alone = find_pairs(tmp_path / "images", tmp_path / "masks")
    assert [pair.name for pair in pairs] == ["a_lesion"] and not alone


@pytest.mark.parametrize("suffix", ["_roi", "-outline", "_outline.png", " (mask)"])
def test_a_suffix_of_ones_own(tmp_path: Path, suffix: str) -> None:
    end = suffix if suffix.endswith(".png") else f"{suffix}.png"
    touch(tmp_path, "x.jpg", "y.jpg", f"x{end}", f"y{end}")
    pairs, alone = find_pairs(tmp_path, suffix=suffix)
    assert [(pair.image.name, pair.mask.name) for pair in pairs] == [
        ("x.jpg", f"x{end}"),
        ("y.jpg", f"y{end}"),
    ]
    assert not alone


def test_what_does_not_fit_is_told_what_would(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg", "x-outline.png")
    with pytest.raises(
        InputError, match=r"supported layouts: images/.*--mask-suffix.*--pairs"
    ) as error:
        find_pairs(tmp_path)
    assert "\n" not in str(error.value)


def test_a_split_names_all_images(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/{n}.jpg" for n in "abc"), *(f"masks/{n}.png" for n in "abc"))
    pairs, _ = find_pairs(tmp_path)
    given = give_splits(pairs, {"a": "train", "b": "valid", "c": "test", "z": "test"}, "split.csv")
    assert [pair.split for pair in given] == ["train", "valid", "test"]
    with pytest.raises(InputError, match=r"b\.jpg: is not in split\.csv, nor are 1 others"):
        give_splits(pairs, {"a": "train"}, "split.csv")


def test_accented_names_from_macos_are_those_of_other_systems(copy: Path, tmp_path: Path) -> None:
    """A zip that macOS made holds names in which ä is two characters."""
    composed, decomposed = "l\u00e4sion", "la\u0308sion"
    for number in range(30):
        end = f"{number:07}"
        (copy / IMAGES / f"SYNTH_{end}.jpg").rename(copy / IMAGES / f"{composed}{end}.jpg")
        (copy / MASKS / f"SYNTH_{end}_segmentation.png").rename(
            copy / MASKS / f"{decomposed}{end}_segmentation.png"
        )
    table = tmp_path / "split.csv"
    words = ("train", "val", "test")
    lines = [f"{decomposed}{number:07},{words[number % 3]}" for number in range(30)]
    table.write_text("\n".join(["name,split", *lines]), encoding="utf-8")
    data = tmp_path / "data"
    assert prepare(copy, data, split=table, size=32) == 0
    names = sorted(row["name"] for row in read_manifest(data))
    assert names == [f"{composed}{number:07}" for number in range(30)]
    found = [pair.name for split in ("train", "valid", "test") for pair in find_split(data, split)]
    assert sorted(found) == names


def test_folders_whose_names_say_nothing_are_named_with_the_cure(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{folder}/{name}.png" for folder in ("Bilder", "Masken") for name in "abc"))
    with pytest.raises(InputError, match=r": 6 image files, of which none is .* --masks FOLDER"):
        find_pairs(tmp_path)
    pairs, alone = find_pairs(tmp_path / "Bilder", tmp_path / "Masken")
    assert [pair.name for pair in pairs] == ["a", "b", "c"] and not alone
