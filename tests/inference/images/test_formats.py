"""One rule of what is an image: taken, or counted and named."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.uploads import find_uploads
from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.images.find import find_sources
from inference.images.folders import PassedOver, find_images
from inference.images.formats import IMAGE_SUFFIXES, is_image, kind_of_bytes
from inference.images.pixels import read_image
from inference.images.write import write_image
from inference.scoring.pairs import find_pairs
from inference.segment import segment
from training.synthetic.lesion import make_lesion

PICTURE = make_lesion(np.random.default_rng(6), 48, 64)[0]
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
# Names and contents that look like images and are none that OpenCV opens.
OTHERS = {
    "heic": ("HEIC", HEIC),
    "heif": ("HEIC", HEIC.replace(b"ftypheic", b"ftypmif1")),
    "IMG_1.CR3": ("raw", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
    "b.jxl": ("JPEG XL", b"\xff\x0a" + bytes(20)),
    "e.NEF": ("raw", b"MM\0*" + bytes(20)),
    "f.svg": ("vector", b"<svg/>"),
    "g.psd": ("Photoshop", b"8BPS" + bytes(20)),
    "h.jpg.download": ("JPEG", b"\xff\xd8\xff\xe0" + bytes(20)),
    "i.tmp": ("PNG", b"\x89PNG\r\n\x1a\n" + bytes(20)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    for name, (_, content) in OTHERS.items():
        (made / name).write_bytes(content)
    for name in ("a.png", "a_superpixels.png"):
        write_image(made / name, PICTURE)
    for name in ("notes.txt", ".hidden.heic", "table.csv", "movie.tmp"):
        (made / name).write_text("BM, not an image")
    return made


def kinds(passed: list[PassedOver]) -> dict[str, str]:
    return {Path(each.name).name: each.kind for each in passed}


EXPECTED = {name: kind for name, (kind, _) in OTHERS.items()}


def test_in_a_folder_a_pattern_and_an_archive(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.iterdir():
            file.write(path, path.name)
    for given in (folder, f"{folder}/*", archive):
        passed: list[PassedOver] = []
        found = find_sources([given], passed)
        assert [relative.name for _, relative in found] == ["a.png"]
        assert kinds(passed) == EXPECTED
    sources, failures = find_uploads([archive])
    assert len(sources) == 1 and len(failures) == len(OTHERS)
    assert not [failure for failure in failures if str(tmp_path) in failure.image + failure.error]


def test_archives_and_videos_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_image(folder / "a.png", PICTURE)
    for name in ("b.zip", "c.tar.gz", "d.MP4"):
        (folder / name).write_bytes(b"anything")
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.iterdir():
            file.write(path, path.name)
    for given, fixes in (
        (folder, ("give it by its own name", "unpack it", "give it by its own name")),
        (archive, ("unpack it", "unpack it", "unpack it")),
    ):
        passed: list[PassedOver] = []
        assert [relative.name for _, relative in find_sources([given], passed)] == ["a.png"]
        named = sorted(passed)
        assert [Path(each.name).name for each in named] == ["b.zip", "c.tar.gz", "d.MP4"]
        assert all(fix in each.error for fix, each in zip(fixes, named))


def test_a_run_names_them_and_succeeds(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pipe").touch()
    output = tmp_path / "masks"
    assert segment([str(folder)], SegmentOptions(model, output)) == 0
    with (output / "errors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {Path(row["image"]).name for row in rows} == OTHERS.keys()
    said = [line for line in capsys.readouterr().err.splitlines() if "skipped files" in line]
    assert len(said) == 1 and f": {len(OTHERS)} (" in said[0]


def test_one_that_is_named_is_an_error(folder: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "masks"
    given = [str(folder / name) for name in ("a.png", "b.jxl", "f.svg")]
    assert segment(given, SegmentOptions(model, output)) == 1
    errors = (output / "errors.csv").read_text()
    assert "b.jxl: is a JPEG XL image, which OpenCV cannot read; convert it" in errors
    assert "f.svg: is not an image that OpenCV can read" in errors
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "x.jxl").write_bytes(b"\xff\x0a")
    with pytest.raises(
        InputError, match=r"holds no image; .*x\.jxl: looks like an image \(JPEG XL\)"
    ):
        find_images([tmp_path / "phone"])


def test_scores_name_them_too(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "masks" / "a.png", np.zeros((48, 64), np.uint8))
    assert list(find_pairs(folder, tmp_path / "masks")) == ["a"]
    assert f": {len(OTHERS)} (" in capsys.readouterr().err


def test_what_opencv_writes_is_an_image_that_is_read(tmp_path: Path) -> None:
    fractions = {".hdr", ".pic", ".pfm"}
    for suffix in sorted(IMAGE_SUFFIXES):
        assert is_image(Path(f"a{suffix.upper()}"))
        if cv2.haveImageWriter(f"a{suffix}") and suffix != ".pbm":
            levels = np.float32(PICTURE / 255) if suffix in fractions else PICTURE
            # OpenCV writes grey for .pgm.
            pixels = levels[..., 1] if suffix == ".pgm" else levels[..., ::-1]
            (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())
            found = read_image(tmp_path / f"a{suffix}").astype(int)
            expected = PICTURE[..., 1:2] if suffix == ".pgm" else PICTURE
            assert np.abs(found - expected).mean() < (25 if suffix == ".gif" else 5), suffix


def test_bytes_that_are_no_image() -> None:
    for data in (b"", b"BM, said the text", b"\0\0\0\x18ftypmp42", b"RIFF\0\0\0\0WAVE", b"PK\3\4"):
        assert kind_of_bytes(data) is None
