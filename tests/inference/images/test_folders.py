"""Files, folders and patterns become a list of images."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.images.folders import PassedOver, find_images, list_images
from inference.images.write import write_image
from inference.segment import segment


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = (
        "a.jpg",
        "b.PNG",
        "notes.txt",
        ".hidden.jpg",
        "sub/c.tiff",
        ".git/d.jpg",
        "sub/e/f.bmp",
    )
    for name in names:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "tree"


def relatives(*inputs: str | Path) -> list[str]:
    return [relative.as_posix() for _, relative in find_images(inputs)]


def test_folders_are_searched_to_the_bottom(tree: Path) -> None:
    assert relatives(tree) == ["a.jpg", "b.PNG", "sub/c.tiff", "sub/e/f.bmp"]


def test_files_and_patterns(tree: Path) -> None:
    assert relatives(tree / "sub" / "c.tiff") == ["c.tiff"]
    assert relatives(f"{tree}/*.jpg") == ["a.jpg"]
    assert relatives(f"{tree}/**/*.bmp") == ["sub/e/f.bmp"]
    assert relatives(f"{tree}/s*") == ["sub/c.tiff", "sub/e/f.bmp"]


def test_an_image_named_twice_comes_once(tree: Path) -> None:
    assert relatives(tree / "a.jpg", tree, f"{tree}/*.jpg").count("a.jpg") == 1


@pytest.fixture
def closed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the tree that cannot be read, by root neither."""
    scan, made = os.scandir, tree / "lost+found"
    made.mkdir()

    def refuse(path: str | Path | int) -> object:
        if str(path) == str(made):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return made


def test_a_folder_that_cannot_be_read_is_passed_over(tree: Path, closed: Path) -> None:
    passed: list[PassedOver] = []
    assert len(find_images([tree], passed)) == 4
    ((name, _),) = passed
    assert name == str(closed) and "cannot be read; change its permissions" in passed[0].error
    with pytest.raises(InputError, match=r"lost\+found: is a folder that cannot be read"):
        find_images([tree])
    with pytest.raises(PermissionError):
        list_images(tree)


def test_a_run_goes_on_without_it(tree: Path, closed: Path, model: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "sub")
    for name in ("a.jpg", "b.PNG"):
        write_image(tree / name, np.full((16, 16, 3), 99, np.uint8))
    output = tmp_path / "masks"
    assert segment([str(tree)], SegmentOptions(model, output)) == 1
    assert len(list(output.glob("*_segmentation.png"))) == 2
    errors = (output / "errors.csv").read_text()
    assert str(closed) in errors and "cannot be read" in errors


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "lesion [1].jpg").touch()
    assert relatives(tmp_path / "lesion [1].jpg") == ["lesion [1].jpg"]


def test_what_is_not_there_is_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such file, folder or pattern"):
        find_images([tree, "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no image"):
        find_images([tmp_path / "empty"])
