"""What a run is given to segment: files, folders, patterns, lists, zip archives, addresses, videos."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from inference.errors import InputError
from inference.images.folders import find_images, is_image
from inference.images.pixels import Source
from inference.images.sources import Address, Frame, Member, Video

VIDEO_SUFFIXES = frozenset(".mp4 .avi .mov .mkv .webm .m4v".split())


def find_sources(inputs: Iterable[str | Path], listed: bool = False) -> list[tuple[Source, Path]]:
    """Expands inputs to (image, path relative to its root), each image once.

    Besides what `find_images` knows: a .zip archive, a video, an http or https address, a .txt file
    with one input a line (or separated by NUL, as `find -print0` writes them), and - for such a list
    on stdin.

    Args:
        listed: the inputs come from a list, in which no further list may be named.

    Raises:
        InputError: an input does not exist, or there is no image in it.
    """
    found: dict[Source, Path] = {}
    given = ""
    for given in map(str, inputs):
        if listed and is_list(given):
            raise InputError(f"{given}: is a list within a list; name its images in the outer one")
        for source, relative in expand(given):
            found.setdefault(source, relative)
    if not given:
        raise InputError("no images given: name files, folders or patterns")
    return list(found.items())


def is_list(given: str) -> bool:
    """True for a file that names inputs, or stdin."""
    return given == "-" or (Path(given).suffix.lower() == ".txt" and Path(given).is_file())


def expand(given: str) -> Iterator[tuple[Source, Path]]:
    """The images of one input."""
    path = Path(given)
    suffix = path.suffix.lower()
    if given.startswith(("http://", "https://")):
        yield Address(given), Path(name_address(given))
    elif is_list(given):
        data = sys.stdin.buffer.read() if given == "-" else path.read_bytes()
        origin = "stdin" if given == "-" else given
        yield from find_sources(read_list(data, origin), listed=True)
    elif suffix == ".zip" and path.is_file():
        yield from list_members(path)
    elif suffix in VIDEO_SUFFIXES and path.is_file():
        video = Video(path)
        for number in range(video.frames):
            yield Frame(video, number), Path(path.stem, f"{number:06}.png")
    else:
        yield from find_images([given])


def name_address(url: str) -> str:
    """The file name at the end of an address, as a file can be called."""
    try:
        name = PurePosixPath(unquote(urlsplit(url).path)).name
    except ValueError as error:
        raise InputError(f"{url}: is no address ({error}); check the spelling") from error
    return re.sub(r"[\x00-\x1f]", "_", name) or "image"


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
    """The images in a zip archive; a name that would lead out of the output folder is refused.

    As in a folder, what is hidden is passed over, and what a Mac packs beside each file.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: is not a zip archive ({error}); pack it again") from error
    names = sorted(name for name in archive.namelist() if is_member_image(name))
    if not names:
        raise InputError(f"{path}: holds no image; pack images into it")
    for name in names:
        relative = Path(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise InputError(f"{path}: holds {name}, a name outside it; pack it again")
        yield Member(path, name, archive), relative


def is_member_image(name: str) -> bool:
    """True for an archive's image; folders end in a slash."""
    folders = PurePosixPath(name).parts[:-1]
    hidden = any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in folders)
    return is_image(Path(name)) and not (name.endswith("/") or hidden)
