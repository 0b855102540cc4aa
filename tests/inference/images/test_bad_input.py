"""A night's run survives whatever lies in a folder: one bad image stays one."""

from __future__ import annotations

import csv
import errno
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.batch import job
from inference.batch.options import SegmentOptions
from inference.contract import Contract
from inference.errors import InputError
from inference.images.find import find_sources
from inference.images.pixels import Source
from inference.masks import segmentation
from inference.runtime import stream
from inference.runtime.stream import segment_files
from inference.segment import segment
from training.synthetic.lesion import make_lesion

Picture = Callable[[Path], object]
PICTURE = Image.fromarray(make_lesion(np.random.default_rng(7), 96, 128)[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, between which the bad ones go by name."""
    made = tmp_path / "photos"
    made.mkdir()
    for name in ("a.jpg", "z.png"):
        PICTURE.save(made / name)
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def run_through(folder: Path, model: Path) -> dict[str, str]:
    """Segments the folder: the good ones are always done. What went wrong, by name."""
    output = folder.parent / "masks"
    code = segment([str(folder)], SegmentOptions(model, output))
    errors = {Path(row["image"]).name: row["error"] for row in rows(output / "errors.csv")}
    done = {Path(row["image"]).name for row in rows(output / "masks.csv")}
    assert {"a.jpg", "z.png"} <= done and not done & errors.keys()
    assert code == (1 if errors else 0)
    written = {path.name for path in output.rglob("*_segmentation*")}
    assert len(written) == len(done)
    return errors


def cut(path: Path) -> None:
    PICTURE.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_that_claims(width: int, height: int) -> bytes:
    data = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def make_sparse(path: Path, size: int) -> None:
    path.touch()
    os.truncate(path, size)


BAD: dict[str, tuple[str, Picture, str]] = {
    "zero bytes": ("b.jpg", lambda path: path.touch(), "is empty"),
    "cut JPEG": ("b.jpg", cut, "ends in the middle|is damaged"),
    "cut PNG": ("b.png", cut, "ends in the middle"),
    "cut TIFF": ("b.tif", cut, "OpenCV|decoded"),
    "text": ("b.jpg", lambda path: path.write_text("hello"), "not an image"),
    "a bomb in PNG": ("b.png", lambda p: p.write_bytes(png_that_claims(50_000, 40_000)), "."),
    "a bomb in JPEG": ("b.jpg", lambda p: p.write_bytes(jpeg_that_claims(65_000, 64_000)), "."),
    "a dangling link": ("b.jpg", lambda path: path.symlink_to("nowhere.jpg"), "No such file"),
    "a link to itself": ("b.jpg", lambda path: path.symlink_to(path), "[Ll]evels of symbolic"),
    "a sparse file": ("b.jpg", lambda path: make_sparse(path, 2**42), "up to"),
    "a pipe": ("b.jpg", os.mkfifo, "is not a regular file"),
    "a folder named as an image": ("b.jpg", lambda path: path.mkdir(), ""),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case: str, folder: Path, model: Path) -> None:
    name, make, reason = BAD[case]
    make(folder / name)
    errors = run_through(folder, model)
    if reason:
        assert list(errors) == [name]
        assert re.search(reason, errors[name])
    else:
        assert not errors


def animated(path: Path) -> None:
    second = Image.fromarray(255 - np.asarray(PICTURE))
    PICTURE.save(path, save_all=True, append_images=[second], duration=100, lossless=True)


def grey_16(path: Path) -> None:
    Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257).save(path)


ODD: dict[str, tuple[str, Picture]] = {
    "GIF": ("b.gif", animated),
    "animated WebP": ("b.webp", animated),
    "CMYK": ("b.jpg", lambda path: PICTURE.convert("CMYK").save(path)),
    "16 bits": ("b.png", grey_16),
    "palette": ("b.png", lambda path: PICTURE.convert("P").save(path)),
    "alpha": ("b.png", lambda path: PICTURE.convert("RGBA").save(path)),
    "grey": ("b.jpg", lambda path: PICTURE.convert("L").save(path)),
    "1 x 1": ("b.png", lambda path: PICTURE.resize((1, 1)).save(path)),
    "1 x 5000": ("b.png", lambda path: PICTURE.resize((1, 5000)).save(path)),
    "5000 x 1": ("b.jpg", lambda path: PICTURE.resize((5000, 1)).save(path)),
    "12000 x 9000": ("b.jpg", lambda path: PICTURE.resize((12_000, 9_000)).save(path)),
    "unicode": ("b läsion 病变 🔬.jpg", PICTURE.save),
    "a name with a line feed": ("b\nc.jpg", PICTURE.save),
    "a name with a quote and a comma": ('b",c.jpg', PICTURE.save),
    "a name that is no UTF-8": (os.fsdecode(b"b\xff.png"), PICTURE.save),
    "brackets": ("b[1]*.jpg", PICTURE.save),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_files_are_segmented(
    case: str, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, make = ODD[case]
    make(folder / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert not run_through(folder, model)
    (row,) = (
        r for r in rows(folder.parent / "masks" / "masks.csv") if Path(r["image"]).name == name
    )
    mask = folder.parent / "masks" / row["mask"]
    with Image.open(folder / name) as image, Image.open(mask) as written:
        assert written.size == image.size == (int(row["width"]), int(row["height"]))
        assert set(np.unique(np.asarray(written))) <= {0, 255} and written.mode == "L"


def test_the_first_frame_counts(folder: Path, model: Path) -> None:
    animated(folder / "b.webp")
    PICTURE.save(folder / "c.png")
    assert not run_through(folder, model)
    masks = folder.parent / "masks"
    first, same = (masks / f"{name}_segmentation.png" for name in "bc")
    assert first.read_bytes() == same.read_bytes()


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_that_claims(2**15, 2**14))
    code = f"""
import resource
from pathlib import Path
from inference.images.pixels import read_image
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
try:
    read_image(Path({str(bomb)!r}))
except ValueError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "too many pixels" in found.stdout


def test_links_to_folders_that_go_in_circles(folder: Path, model: Path) -> None:
    (folder / "x").mkdir()
    (folder / "y").mkdir()
    (folder / "x" / "to-y").symlink_to(folder / "y")
    (folder / "y" / "to-x").symlink_to(folder / "x")
    (folder / "y" / "up").symlink_to(folder)
    PICTURE.save(folder / "x" / "b.jpg")
    assert not run_through(folder, model)
    names = [row["mask"] for row in rows(folder.parent / "masks" / "masks.csv")]
    assert sorted(names) == [
        "a_segmentation.png",
        "x/b_segmentation.png",
        "y/to-x/b_segmentation.png",
        "z_segmentation.png",
    ]


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Not root for a while: root may read everything."""
    if os.geteuid() == 0:
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o711)
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


def test_files_that_may_not_be_read(folder: Path, unprivileged: None) -> None:
    (folder / "a.jpg").chmod(0)

    class Blank:
        contract = Contract(size=16)
        digests = ()

        def __call__(self, images: np.ndarray) -> np.ndarray:
            return np.zeros(images.shape[:3], np.float32)

    paths = [path for path, _ in find_sources([folder])]
    blank: Any = Blank()
    results = list(segment_files(blank, paths, lambda image: ""))
    assert "Permission denied" in results[0].error and results[1] == ""


def test_a_folder_that_may_not_be_read_is_named(folder: Path, unprivileged: None) -> None:
    (folder / "closed").mkdir(mode=0)
    with pytest.raises(InputError, match="closed: is a folder that cannot be read; change"):
        find_sources([folder])


def test_one_name_in_two_folders(folder: Path, model: Path, tmp_path: Path) -> None:
    for sub in ("left", "right"):
        (folder / sub).mkdir()
        PICTURE.save(folder / sub / "same.jpg")
    assert not run_through(folder, model)
    masks = {row["mask"] for row in rows(tmp_path / "masks" / "masks.csv")}
    assert {"left/same_segmentation.png", "right/same_segmentation.png"} < masks
    # Given one by one, they are told apart by their folders as well.
    given = [str(folder / sub / "same.jpg") for sub in ("left", "right")]
    assert segment(given, SegmentOptions(model, tmp_path / "again")) == 0
    assert {
        path.relative_to(tmp_path / "again").as_posix() for path in tmp_path.glob("again/*/*")
    } == {
        "left/same_segmentation.png",
        "right/same_segmentation.png",
    }


def test_the_output_folder_may_lie_in_the_input(folder: Path, model: Path) -> None:
    output = folder / "masks"
    for _ in range(2):
        assert segment([str(folder)], SegmentOptions(model, output, ("mask", "overlay"))) == 0
        assert len(rows(output / "masks.csv")) == 2
    with pytest.raises(InputError, match="holds all the images given"):
        segment([str(output)], SegmentOptions(model, output))


def test_a_name_that_leaves_no_room_for_an_ending(folder: Path, model: Path) -> None:
    name = f"{'b' * 251}.png"
    PICTURE.save(folder / name)
    said = f"{folder / name}: has too long a name, since its results add an ending to it; rename it"
    assert run_through(folder, model) == {name: said}


def test_a_folder_or_a_file_in_the_way_of_results(folder: Path, model: Path) -> None:
    PICTURE.save(folder / "b.jpg")
    output = folder.parent / "masks"
    (output / "b_segmentation.png").mkdir(parents=True)
    (folder / "a_segmentation.png").mkdir()
    PICTURE.save(folder / "a_segmentation.png" / "c.png")
    assert segment([str(folder)], SegmentOptions(model, output), threads=1) == 1
    errors = {Path(row["image"]).name: row["error"] for row in rows(output / "errors.csv")}
    for name, way in (("b.jpg", "b_segmentation.png"), ("c.png", "a_segmentation.png")):
        assert (
            f"{name}: {way}, a file or folder in the output folder, is in the way" in errors[name]
        )
    assert {Path(row["image"]).name for row in rows(output / "masks.csv")} == {"a.jpg", "z.png"}


def test_the_output_folder_is_no_file(folder: Path, model: Path) -> None:
    before = (folder / "a.jpg").read_bytes()
    with pytest.raises(InputError, match=r"a\.jpg: is a file; give a folder"):
        segment([str(folder / "z.png")], SegmentOptions(model, folder / "a.jpg"))
    assert (folder / "a.jpg").read_bytes() == before


def test_a_file_that_disappears(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PICTURE.save(folder / "b.jpg")

    def find_then_lose(inputs: list[str], passed: Any) -> list[tuple[Source, Path]]:
        found = find_sources(inputs, passed)
        (folder / "b.jpg").unlink()
        return found

    monkeypatch.setattr(job, "find_sources", find_then_lose)
    assert "No such file" in run_through(folder, model)["b.jpg"]


@pytest.mark.parametrize("stage", [(stream, "read_resized"), (segmentation, "find_lesion")])
def test_memory_that_does_not_suffice(
    stage: tuple[ModuleType, str], folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PICTURE.resize((7, 5)).save(folder / "b.png")
    works = getattr(*stage)

    def fail(*args: Any) -> Any:
        if args[1:3] == (5, 7) or str(args[0]) == str(folder / "b.png"):
            raise MemoryError
        return works(*args)

    monkeypatch.setattr(*stage, fail)
    assert "fit into memory" in run_through(folder, model)["b.png"]


def test_no_name_leads_out_of_the_output_folder(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dd/x/a.jpg", "dd/other/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        PICTURE.save(tmp_path / name)
    monkeypatch.chdir(tmp_path / "dd" / "x")
    assert segment(["a.jpg", "../other/a.jpg"], SegmentOptions(model, Path("o2/inner"))) == 0
    assert not list(Path("o2").glob("other"))
    assert Path("o2/inner/other/a_segmentation.png").exists()
    assert Path("o2/inner/x/a_segmentation.png").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="would be outside"):
        segment(["dd/*/../../photos/*.jpg"], SegmentOptions(model, Path("o3")))


def test_a_disk_that_fills(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PICTURE.save(folder / "b.jpg")
    write = Path.write_bytes

    def fill_up(path: Path, data: bytes) -> int:
        if path.name.startswith(".b_"):
            write(path, bytes(data)[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    assert "No space left" in run_through(folder, model)["b.jpg"]
    left = {path.name for path in (folder.parent / "masks").iterdir() if "b_" in path.name}
    assert not left


def test_a_disk_that_is_really_full(folder: Path, model: Path) -> None:
    output = folder.parent / "small"
    output.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(output)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        filler = output / "filler"
        filler.write_bytes(bytes(7 * 4096))
        with pytest.raises(OSError, match=r"No space left.*small"):
            segment([str(folder)], SegmentOptions(model, output))
        assert not [path for path in output.iterdir() if path.suffix != ".jsonl" and path != filler]
        filler.unlink()
        assert segment([str(folder)], SegmentOptions(model, output, resume=True)) == 0
        assert len(rows(output / "masks.csv")) == 2
    finally:
        subprocess.run(["umount", str(output)], check=True)


def test_nothing_to_do_is_an_error(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        segment([str(tmp_path / "nowhere")], SegmentOptions(model, tmp_path / "masks"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        segment([str(tmp_path / "empty")], SegmentOptions(model, tmp_path / "masks"))
    assert not (tmp_path / "masks").exists()
