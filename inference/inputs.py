"""Where images come from: files, folders, patterns, lists, zip archives, addresses, videos."""

from __future__ import annotations

import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import cv2

from inference.command import InputError
from inference.files import find_images, is_image
from inference.pixels import Source

VIDEO_SUFFIXES = frozenset(".mp4 .avi .mov .mkv .webm .m4v".split())
MOST_BYTES = 2**28  # of an image that is not a file of this machine
MOST_SECONDS = 60.0  # for one address, from the first byte asked for to the last received
CHUNK = 2**16


@dataclass(frozen=True)
class Member:
    """An image in a zip archive."""

    archive: Path
    name: str
    opened: zipfile.ZipFile = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"

    def read_bytes(self) -> bytes:
        """Unpacks it in memory; it may claim any size, so that is looked at first."""
        if self.opened.getinfo(self.name).file_size > MOST_BYTES:
            raise InputError(f"{self}: unpacks to more than {MOST_BYTES} bytes; unpack it yourself")
        try:
            return self.opened.read(self.name)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise InputError(f"{self}: cannot be unpacked ({error}); unpack it yourself") from error


@dataclass(frozen=True)
class Address:
    """An image behind an http or https address."""

    url: str

    def __str__(self) -> str:
        return self.url

    def read_bytes(self) -> bytes:
        """Downloads it, up to MOST_BYTES and for MOST_SECONDS at most."""
        end = time.monotonic() + MOST_SECONDS
        data = bytearray()
        try:
            with urlopen(self.url, timeout=MOST_SECONDS) as response:
                while chunk := response.read1(CHUNK):
                    data += chunk
                    if len(data) > MOST_BYTES or time.monotonic() > end:
                        raise InputError(
                            f"{self.url}: more than {MOST_BYTES} bytes or {MOST_SECONDS:.0f} seconds; "
                            "download it yourself"
                        )
        except (URLError, OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.url}: cannot be downloaded ({error}); try again") from error
        return bytes(data)


class Video:
    """A video file, of which one frame after the other is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        self._next = 0
        self._lock = Lock()
        self.frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not self._capture.isOpened() or self.frames < 1:
            raise InputError(f"{path}: is not a video that OpenCV can read; convert it to MP4")

    def read_frame(self, number: int) -> bytes:
        """The bytes of one frame as an image file; any order, but the frames' own is the fastest."""
        with self._lock:
            if number != self._next:
                self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            read, pixels = self._capture.read()
            self._next = number + 1
        if not read:
            raise InputError(f"{self.path}: frame {number} cannot be read; copy the video again")
        return cv2.imencode(".bmp", pixels)[1].tobytes()


@dataclass(frozen=True)
class Frame:
    """One frame of a video."""

    video: Video = field(repr=False)
    number: int

    def __str__(self) -> str:
        return f"{self.video.path}#{self.number}"

    def read_bytes(self) -> bytes:
        return self.video.read_frame(self.number)


def find_sources(inputs: Iterable[str | Path]) -> list[tuple[Source, Path]]:
    """Expands inputs to (image, path relative to its root), each image once.

    Besides what `find_images` knows: a .zip archive, a video, an http or https address, a .txt file
    with one input a line (or separated by NUL, as `find -print0` writes them), and - for such a list
    on stdin.

    Raises:
        InputError: an input does not exist, or there is no image in it.
    """
    found: dict[Source, Path] = {}
    given = ""
    for given in map(str, inputs):
        for source, relative in expand(given):
            found.setdefault(source, relative)
    if not given:
        raise InputError("no images given: name files, folders or patterns")
    return list(found.items())


def expand(given: str) -> Iterator[tuple[Source, Path]]:
    """The images of one input."""
    path = Path(given)
    suffix = path.suffix.lower()
    if given.startswith(("http://", "https://")):
        name = PurePosixPath(unquote(urlsplit(given).path)).name
        yield Address(given), Path(name or "image")
    elif given == "-":
        yield from find_sources(read_list(sys.stdin.buffer.read(), "stdin"))
    elif suffix == ".txt" and path.is_file():
        yield from find_sources(read_list(path.read_bytes(), given))
    elif suffix == ".zip" and path.is_file():
        yield from list_members(path)
    elif suffix in VIDEO_SUFFIXES and path.is_file():
        video = Video(path)
        for number in range(video.frames):
            yield Frame(video, number), Path(path.stem, f"{number:06}.png")
    else:
        yield from find_images([given])


def read_list(data: bytes, origin: str) -> list[str]:
    """The inputs that a list names: one a line, or separated by NUL."""
    separator = b"\0" if b"\0" in data else b"\n"
    lines = (line.rstrip(b"\r") for line in data.split(separator))
    # Names are bytes; those that are no UTF-8 are kept as Python keeps them in file names.
    entries = [line.decode("utf-8", "surrogateescape") for line in lines if line.strip()]
    if not entries:
        raise InputError(f"{origin}: names no image; write one file, folder or pattern a line")
    return entries


def list_members(path: Path) -> Iterator[tuple[Member, Path]]:
    """The images in a zip archive; a name that would lead out of the output folder is refused."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: is not a zip archive ({error}); pack it again") from error
    names = sorted(name for name in archive.namelist() if is_image(Path(name)))
    if not names:
        raise InputError(f"{path}: holds no image; pack images into it")
    for name in names:
        relative = Path(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise InputError(f"{path}: holds {name}, a name outside it; pack it again")
        yield Member(path, name, archive), relative
