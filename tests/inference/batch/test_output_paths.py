"""Images whose names clash are told apart, and no file is written through a link."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.batch.output_paths import name_outputs
from inference.images.find import find_sources
from inference.images.write import write_image
from inference.segment import segment

PICTURE = np.full((16, 16, 3), 99, np.uint8)


def place(folder: Path, *given: str | Path) -> list[str]:
    named = name_outputs(find_sources(given), folder / "masks")
    return [stem.as_posix() for stem in named.values()]


def make_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_suffixes_tell_apart(tmp_path: Path) -> None:
    beside = make_files(tmp_path / "a", "photo.jpg", "photo.jpg.webp", "photo.webp", "alone.png")
    assert place(tmp_path, beside) == ["alone", "photo.jpg", "photo.jpg.webp", "photo.webp"]
    twins = make_files(tmp_path / "b", "x.jpg", "x.jpg.png", "x.jpg.png.bmp", "x.png")
    assert place(tmp_path, twins) == ["x.jpg", "x.jpg.png", "x.jpg.png.bmp", "x.png"]


def test_names_of_dots(tmp_path: Path) -> None:
    made = make_files(tmp_path / "a", "..png", "...jpg")
    assert place(tmp_path, made / "..png", made / "...jpg") == ["..png", "...jpg"]


def test_archives_and_addresses_of_one_name(tmp_path: Path) -> None:
    for name in ("patientA", "patientB", "more/patientB"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as file:
            file.writestr("1.png", b"")
    archives = [tmp_path / f"{name}.zip" for name in ("patientA", "patientB", "more/patientB")]
    assert place(tmp_path, archives[0]) == ["1"]
    assert place(tmp_path, *archives) == ["patientA/1", "patientB/1", "patientB/1-2"]
    addresses = ("http://a/x.png", "http://b/x.png", "http://c/x-2.png", "http://d/x.jpg")
    assert place(tmp_path, *addresses) == ["x.png", "x-3", "x-2", "x.jpg"]


def test_a_member_and_a_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("1.png", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("1.png", b"")
    make_files(tmp_path / "b", "1.png")
    assert place(tmp_path, tmp_path / "a.zip", tmp_path / "b") == ["a/1", "a/1-2", "1"]


def test_names_of_any_bytes_get_every_product(tmp_path: Path, model: Path) -> None:
    for name in (b"l\xe4sion.png", b"l\xe4sion.jpg", b"a.\xff.png"):
        write_image(tmp_path / "photos" / os.fsdecode(name), PICTURE)
    products = ("mask", "overlay", "contour", "rle", "geojson", "probability", "csv", "report")
    assert segment([str(tmp_path / "photos")], SegmentOptions(model, tmp_path / "o", products)) == 0
    assert len(list((tmp_path / "o").glob("*_overlay.jpg"))) == 3


def test_linked_folders_in_the_output_are_not_followed(tmp_path: Path, model: Path) -> None:
    photos, output = tmp_path / "photos", tmp_path / "masks"
    for name in ("left/a.png", "right/deep/b.png", "c.png"):
        write_image(photos / name, PICTURE)
    for folder in (tmp_path / "elsewhere", output / "right"):
        folder.mkdir(parents=True)
    (output / "left").symlink_to(tmp_path / "elsewhere")
    (output / "right" / "deep").symlink_to(tmp_path / "elsewhere")
    assert segment([str(photos)], SegmentOptions(model, output)) == 1
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (output / "c_segmentation.png").exists()
    assert (output / "errors.csv").read_text().count("is a link in the output folder") == 2
