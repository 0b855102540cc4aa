"""Images from lists, archives, addresses and videos are segmented like files."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import socket
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.images import archives, sources
from inference.images.find import find_sources
from inference.images.folders import PassedOver
from inference.images.pixels import read_image
from inference.images.sources import Address
from inference.segment import segment
from training.synthetic.lesion import make_lesion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("images")
    for name in ("a.png", "b.png", "new\nline.png"):
        Image.fromarray(make_lesion(np.random.default_rng(len(name)), 64, 80)[0]).save(made / name)
    return made


def relatives(*given: str | Path) -> list[str]:
    return [relative.as_posix() for _, relative in find_sources(given)]


def test_a_list_names_one_input_a_line(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{folder}/a.png\r\n\n{folder}/*.png\n")
    assert relatives(listed) == ["a.png", "b.png", "new\nline.png"]
    text = f"{folder}/b.png\r\n{folder}/a.png\r\n"
    for encoding in ("utf-8-sig", "utf-16", "utf-16-be"):
        mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
        listed.write_bytes(mark + text.encode(encoding))  # as programs on Windows write
        assert relatives(listed) == ["b.png", "a.png"]
    listed.write_text("\n")
    with pytest.raises(InputError, match="lists no images"):
        find_sources([listed])


def test_a_list_names_no_list(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    for line in (str(listed), "-"):
        listed.write_text(f"{folder}/a.png\n{line}\n")
        with pytest.raises(InputError, match="is a list inside a list"):
            find_sources([listed])


def test_a_list_on_stdin_may_be_separated_by_nul(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = b"\0".join(os.fsencode(path) for path in sorted(folder.iterdir())) + b"\0"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(names)))
    assert relatives("-") == ["a.png", "b.png", "new\nline.png"]


def test_a_stdin_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="stdin is closed; send a list"):
        find_sources(["-"])


def test_a_zip_archive(folder: Path, model: Path, tmp_path: Path) -> None:
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder / "a.png", "deep/a.png")
        file.write(folder / "b.png", "b.png")
        file.writestr("readme.md", "no image")
        file.writestr("broken.jpg", b"no image")
    assert segment([str(archive)], SegmentOptions(model, tmp_path / "masks"), threads=4) == 1
    assert segment([str(folder)], SegmentOptions(model, tmp_path / "same")) == 0
    for found, same in (("deep/a", "a"), ("b", "b")):
        mask = tmp_path / "masks" / f"{found}_segmentation.png"
        assert mask.read_bytes() == (tmp_path / "same" / f"{same}_segmentation.png").read_bytes()
    assert "images.zip/broken.jpg" in (tmp_path / "masks" / "errors.csv").read_text()


def test_what_is_no_image_in_an_archive(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in (
            "a.png",
            "x.png/",
            "__MACOSX/a.png",
            ".git/a.png",
            "sub/.a.png",
            "x.png/b.png",
        ):
            file.writestr(name, b"" if name.endswith("/") else (folder / "a.png").read_bytes())
    assert relatives(archive) == ["a.png", "x.png/b.png"]


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_archive(packing: int, folder: Path, model: Path, tmp_path: Path) -> None:
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w", packing) as file:
        file.writestr("bad.png", (folder / "a.png").read_bytes())
        file.write(folder / "b.png", "good.png")
    data = bytearray(archive.read_bytes())
    data[60:90] = b"\xff" * 30
    archive.write_bytes(data)
    assert segment([str(archive)], SegmentOptions(model, tmp_path / "masks")) == 1
    assert "cannot be unpacked" in (tmp_path / "masks" / "errors.csv").read_text()
    assert (tmp_path / "masks" / "good_segmentation.png").exists()


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png"])
def test_a_zip_archive_cannot_write_elsewhere(folder: Path, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder / "a.png", "a.png")
        file.writestr(zipfile.ZipInfo(name), (folder / "a.png").read_bytes())
    passed: list[PassedOver] = []
    assert [relative.as_posix() for _, relative in find_sources([archive], passed)] == ["a.png"]
    assert [each.name for each in passed] == [f"{archive}/{name}"]


def test_a_damaged_zip_archive_costs_no_other_image(
    folder: Path, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive, output = tmp_path / "images.zip", tmp_path / "masks"
    archive.write_bytes(b"PK, not really")
    listed = tmp_path / "list.txt"
    listed.write_text(str(archive))
    for given in (archive, listed):
        inputs = [str(folder / "a.png"), str(given), str(folder / "b.png")]
        assert segment(inputs, SegmentOptions(model, output)) == 1
        assert len(list(output.glob("*_segmentation.png"))) == 2
        said = "is not a zip archive, or is damaged; pack it again"
        errors = (output / "errors.csv").read_text()
        assert errors.splitlines()[1:] == [f'{archive},"{archive}: {said}"']
        assert capfd.readouterr().err.count(said) == 1
        with pytest.raises(InputError, match="is not a zip archive"):
            segment([str(given)], SegmentOptions(model, output))


def test_a_zip_archive_that_is_none_or_unpacks_to_too_much(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "images.zip"
    archive.write_bytes(b"PK, not really")
    with pytest.raises(InputError, match="is not a zip archive"):
        find_sources([archive])
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.png", bytes(100_000))
    monkeypatch.setattr(archives, "MAX_BYTES", 99_999)
    ((source, _),) = find_sources([archive])
    with pytest.raises(InputError, match="unpacks to more than 99999 bytes"):
        source.read_bytes()


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """An address of this machine: a.png, a slow one, a large one, one that leads to a file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away.png":
                self.send_response(302)
                self.send_header("Location", f"file://{folder}/a.png")
                self.end_headers()
                return
            if self.path == "/ftp.png":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1:1/a.png")
                self.end_headers()
                return
            if self.path == "/slow-headers.png":
                with contextlib.suppress(OSError):
                    self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
                    for _ in range(150):
                        self.wfile.write(b"x")
                        time.sleep(0.02)
                return
            data = (folder / "a.png").read_bytes()
            self.send_response(200 if self.path != "/lost.png" else 404)
            if self.path == "/short.png":
                self.send_header("Content-Length", str(len(data) + 1))
            self.end_headers()
            try:
                if self.path == "/slow.png":
                    for byte in data[:200]:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.02)
                elif self.path == "/large.png":
                    while True:
                        self.wfile.write(bytes(2**16))
                else:
                    self.wfile.write(data)
            except OSError:
                pass  # the client has had enough

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def test_an_address(server: str, folder: Path, model: Path, tmp_path: Path) -> None:
    assert (
        segment([f"{server}/a.png?size=1", f"{server}/lost.png"], SegmentOptions(model, tmp_path))
        == 1
    )
    errors = (tmp_path / "errors.csv").read_text()
    assert "lost.png" in errors and "404" in errors
    segment([str(folder / "a.png")], SegmentOptions(model, tmp_path / "same"))
    mask = tmp_path / "a_segmentation.png"
    assert mask.read_bytes() == (tmp_path / "same" / mask.name).read_bytes()


def test_an_address_in_any_script(server: str, folder: Path) -> None:
    for name in ("皮肤/病灶.png?größe=1", os.fsdecode(b"\xff.png")):
        assert Address(f"{server}/{name}").read_bytes() == (folder / "a.png").read_bytes()
    assert relatives("http://h/病灶.png") == ["病灶.png"]


def test_an_address_that_ends_in_dots() -> None:
    assert relatives("http://h/a/..", "http://h/..png") == ["image", "..png"]


def test_an_address_has_limits(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 10 * 2**16)
    with pytest.raises(InputError, match="more than 655360 bytes"):
        Address(f"{server}/large.png").read_bytes()
    for name in ("away.png", "ftp.png"):
        with pytest.raises(InputError, match=r"cannot be downloaded.*(file|ftp)"):
            Address(f"{server}/{name}").read_bytes()
    monkeypatch.setattr(sources, "MAX_SECONDS", 0.3)
    for name in ("slow.png", "slow-headers.png"):
        start = time.monotonic()
        with pytest.raises(InputError, match="download it yourself"):
            Address(f"{server}/{name}").read_bytes()
        assert time.monotonic() - start < 2


def test_addresses_that_are_none(server: str, folder: Path, model: Path, tmp_path: Path) -> None:
    odd = [
        f"{server}/short.png",
        f"{server}/a b.jpg",
        "http://127.0.0.1:99999/c.jpg",
        "http://h:x/d.jpg",
    ]
    assert segment([*odd, f"{server}/a.png"], SegmentOptions(model, tmp_path)) == 1
    assert (tmp_path / "errors.csv").read_text().count("cannot be downloaded") == len(odd)
    assert (tmp_path / "a_segmentation.png").exists()
    with pytest.raises(InputError, match="is not a valid address"):
        find_sources(["http://[bad/x.jpg"])
    assert relatives("http://h/%00x%0a.jpg") == ["_x_.jpg"]


def test_an_address_where_nobody_is() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(InputError, match="cannot be downloaded"):
            Address(f"http://127.0.0.1:{taken.getsockname()[1]}/a.png").read_bytes()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for number in range(12):
        writer.write(np.full((64, 96, 3), 20 * number, np.uint8))
    writer.release()
    return path


def test_frames_of_a_video_in_any_order(video: Path) -> None:
    sources = find_sources([video])
    assert [relative.as_posix() for _, relative in sources[:2]] == [
        "clip/000000.png",
        "clip/000001.png",
    ]
    for number in (0, 1, 2, 7, 3, 11, 0):
        frame = read_image(sources[number][0])
        assert frame.shape == (64, 96, 3) and abs(float(frame.mean()) - 20 * number) < 3


def test_a_video_given_twice_comes_once(video: Path) -> None:
    assert len(find_sources([video, video])) == 12


def test_a_video_that_claims_any_number_of_frames(video: Path, tmp_path: Path) -> None:
    data = bytearray(video.read_bytes())
    for begin, offset in ((b"avih", 16), (b"strh", 32)):
        at = data.index(begin) + 8 + offset
        data[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "lies.avi").write_bytes(data)
    found = find_sources([tmp_path / "lies.avi"])
    assert [round(float(read_image(frame).mean()) / 20) for frame, _ in found] == list(range(12))


def test_a_video_whose_name_is_no_utf_8(video: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"clip\xff.avi")
    path.write_bytes(video.read_bytes())
    with pytest.raises(InputError, match="not UTF-8; rename"):
        find_sources([path])


def test_a_video_is_segmented(video: Path, model: Path, tmp_path: Path) -> None:
    assert (
        segment(
            [str(video)],
            SegmentOptions(model, tmp_path, ("mask", "overlay"), batch_size=3),
            threads=3,
        )
        == 0
    )
    assert len(list((tmp_path / "clip").glob("*_segmentation.png"))) == 12
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="is not a video"):
        find_sources([tmp_path / "text.mp4"])
