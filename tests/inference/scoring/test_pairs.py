"""Images and masks are paired by name."""

from pathlib import Path

import pytest

from inference.errors import InputError
from inference.scoring.pairs import find_pairs, index_images, index_masks, pair_up


def test_masks_are_found_by_the_name_of_the_image(tmp_path: Path) -> None:
    for name in ("x_segmentation.png", "y_mask.png", "x_overlay.jpg", "sheet.jpg"):
        (tmp_path / name).touch()
    assert {name: path.name for name, path in index_masks(tmp_path).items()} == {
        "x": "x_segmentation.png",
        "y": "y_mask.png",
    }


def test_plain_masks_are_found_where_there_are_no_others(tmp_path: Path) -> None:
    for name in ("x.png", "y.png"):
        (tmp_path / name).touch()
    assert list(index_masks(tmp_path)) == ["x", "y"]


def test_two_files_for_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("x.png", "x.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="both named x"):
        index_images(tmp_path)


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    with pytest.raises(InputError, match=r"x\.png: must be a folder"):
        index_masks(tmp_path / "x.png")


def test_folders_come_in_pairs(tmp_path: Path) -> None:
    a, b, c, d = (tmp_path / name for name in "abcd")
    assert pair_up([a, b, c, d]) == [(a, b), (c, d)]
    with pytest.raises(InputError, match="3 folders: images and masks come in pairs"):
        pair_up([a, b, c])
    with pytest.raises(InputError, match="no folders given"):
        pair_up([])


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    for name in ("images/x.jpg", "images/y.jpg", "masks/x_segmentation.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"masks: 1 of the names in .*images are missing.* is y"):
        find_pairs(tmp_path / "images", tmp_path / "masks")
    (tmp_path / "masks" / "y_segmentation.png").touch()
    (tmp_path / "masks" / "z_segmentation.png").touch()
    with pytest.raises(InputError, match=r"images: 1 of the names in .*masks are missing.* is z"):
        find_pairs(tmp_path / "images", tmp_path / "masks")
    (tmp_path / "masks" / "z_segmentation.png").unlink()
    pairs = find_pairs(tmp_path / "images", tmp_path / "masks")
    assert [path.name for path in pairs["y"]] == ["y.jpg", "y_segmentation.png"]


def test_masks_of_ph2_and_masks_named_as_their_images(tmp_path: Path) -> None:
    for name in ("images/IMD002.bmp", "images/a_lesion.jpg", "masks/IMD002_lesion.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "images" / "a_lesion.jpg").unlink()
    assert list(find_pairs(tmp_path / "images", tmp_path / "masks")) == ["IMD002"]
    (tmp_path / "images" / "IMD002.bmp").rename(tmp_path / "images" / "IMD002_lesion.bmp")
    assert list(find_pairs(tmp_path / "images", tmp_path / "masks")) == ["IMD002_lesion"]


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_images_and_masks_in_one_folder(tmp_path: Path) -> None:
    folder = touch(
        tmp_path / "both", "x.png", "x_segmentation.png", "b_mask.png", "b_mask_mask.png"
    )
    pairs = find_pairs(folder, folder / ".." / "both")
    assert {name: mask.name for name, (_, mask) in pairs.items()} == {
        "x": "x_segmentation.png",
        "b_mask": "b_mask_mask.png",
    }
    masks = touch(tmp_path / "masks", "x.png", "y.png")
    with pytest.raises(InputError, match=r"x\.png: is both image and mask; give the folder of"):
        find_pairs(masks, masks)


def test_accented_names_are_paired_however_they_are_written(tmp_path: Path) -> None:
    composed, decomposed = "l\u00e4sion", "la\u0308sion"
    images = touch(tmp_path / "images", f"{composed}.jpg", f"{decomposed}2.jpg")
    masks = touch(tmp_path / "masks", f"{decomposed}_mask.png", f"{composed}2_mask.png")
    assert sorted(find_pairs(images, masks)) == [composed, f"{composed}2"]
    plain = touch(tmp_path / "plain", f"{decomposed}.png", f"{composed}2.png")
    assert sorted(find_pairs(images, plain)) == [composed, f"{composed}2"]


def test_names_of_masks_are_told_where_they_are_missing(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "images", "x.jpg"), touch(tmp_path / "masks", "x_GT.png")
    with pytest.raises(
        InputError, match="named NAME_segmentation, NAME_mask, NAME_lesion or NAME: add the"
    ):
        find_pairs(images, masks)
