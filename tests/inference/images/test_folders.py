"""Files, folders and patterns become a list of images."""

from pathlib import Path

import pytest

from inference.errors import InputError
from inference.images.folders import find_images


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


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "lesion [1].jpg").touch()
    assert relatives(tmp_path / "lesion [1].jpg") == ["lesion [1].jpg"]


def test_what_is_not_there_is_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such file, folder or pattern"):
        find_images([tree, "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no image"):
        find_images([tmp_path / "empty"])
