"""Finds the images in what a user names: files, folders, patterns, lists, archives, URLs, videos."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from inference.errors import InputError
from inference.images.archives import ArchiveError, list_members
from inference.images.folders import PassedOver, find_images
from inference.images.formats import DAMAGED, VIDEO_SUFFIXES
from inference.images.pixels import Source
from inference.images.sources import Address, Frame, Video


def find_sources(
    inputs: Iterable[str | Path], passed: list[PassedOver] | None = None, listed: bool = False
) -> list[tuple[Source, Path]]:
    """Expands inputs to (image, path relative to its root), each image once.

    Takes what `find_images` does, and .zip archives, videos, http and https addresses, .txt files with
    one input per line (or separated by NUL, as `find -print0` writes them), and - for a list on stdin.

    Args:
        passed: gets the files in folders and archives that look like images or may hold some, and are not
            taken; and the folders and archives that cannot be read.
        listed: the inputs come from a list, which must not name another list.

    Raises:
        InputError: an input does not exist, or has no image in it; or an archive cannot be read, and
            `passed` is not given, or there is no image beside it.
    """
    found: dict[Source, Path] = {}
    given = ""
    for given in map(str, inputs):
        if listed and is_list(given):
            raise InputError(f"{given}: is a list inside a list; name its images in the outer list")
        for source, relative in expand_input(given, passed):
            found.setdefault(source, relative)
    if not given:
        raise InputError("no images given: give files, folders or patterns")
    if not (found or listed):
        damaged = next(each for each in passed or () if each.kind == DAMAGED)
        raise InputError(damaged.error)
    return list(found.items())


def is_list(given: str) -> bool:
    """True for a .txt file or stdin."""
    return given == "-" or (Path(given).suffix.lower() == ".txt" and Path(given).is_file())


def expand_input(given: str, passed: list[PassedOver] | None) -> Iterator[tuple[Source, Path]]:
    """The images of one input."""
    path = Path(given)
    suffix = path.suffix.lower()
    if given.startswith(("http://", "https://")):
        yield Address(given), Path(name_address(given))
    elif is_list(given):
        data = read_stdin() if given == "-" else path.read_bytes()
        origin = "stdin" if given == "-" else given
        yield from find_sources(read_list(data, origin), passed, listed=True)
    elif suffix == ".zip" and path.is_file():
        try:
            yield from list_members(path, passed)
        except ArchiveError:
            if passed is None:
                raise
            passed.append(PassedOver(given, DAMAGED))
    elif suffix in VIDEO_SUFFIXES and path.is_file():
        video = Video(path)
        for number in range(video.frames):
            yield Frame(video, number), Path(path.stem, f"{number:06}.png")
    else:
        yield from find_images([given], passed)


def name_address(url: str) -> str:
    """The last part of an address, as a valid file name."""
    try:
        name = PurePosixPath(unquote(urlsplit(url).path)).name
    except ValueError as error:
        raise InputError(f"{url}: is not a valid address ({error}); check the spelling") from error
    return re.sub(r"[\x00-\x1f]", "_", name) if name.strip(".") else "image"


def read_stdin() -> bytes:
    """All of stdin.

    Raises:
        InputError: it is closed, as `<&-` does it.
    """
    if sys.stdin is None:
        raise InputError("-: stdin is closed; send a list of images to it, or give their names")
    return sys.stdin.buffer.read()


def read_list(data: bytes, origin: str) -> list[str]:
    """The inputs in a list: one per line, or separated by NUL; UTF-16 where its first bytes say so."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "surrogatepass").encode("utf-8", "surrogatepass")
    data = data.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in data else b"\n"
    lines = (line.rstrip(b"\r") for line in data.split(separator))
    # File names are bytes: those that are not UTF-8 are kept the way os.fsdecode does.
    entries = [line.decode("utf-8", "surrogateescape") for line in lines if line.strip()]
    if not entries:
        raise InputError(f"{origin}: lists no images; write one file, folder or pattern per line")
    return entries
