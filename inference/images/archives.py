"""Images in zip archives: whatever their names are written in, and never more bytes than allowed."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from inference.errors import InputError
from inference.images.folders import PassedOver, require_images
from inference.images.formats import (
    NAMED_KINDS,
    OUTSIDE,
    PACKED,
    SNIFFED,
    is_image,
    is_image_inside,
    kind_passed_over,
)

MAX_BYTES = 2**28  # of a member
# Bytes asked for at once. The other methods unpack all that they have read, up to 20,000 times as much.
CHUNK, CHUNK_OTHERS = 2**16, 2**12
UTF8_NAME = 0x800  # the flag of a member whose name is UTF-8
UNICODE_PATH = 0x7075  # Info-ZIP's extra field with the name in UTF-8
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
NON_ASCII = re.compile(r"[^\x00-\x7f]+")


class ArchiveError(InputError):
    """A file that should be a zip archive is none, or is damaged as a whole."""


@dataclass(frozen=True)
class Member:
    """An image in a zip archive; the second of one name has number 2."""

    archive: Path
    name: str
    info: zipfile.ZipInfo = field(repr=False, compare=False)
    opened: zipfile.ZipFile = field(repr=False, compare=False)
    number: int = 1

    def __str__(self) -> str:
        again = f" ({self.number})" if self.number > 1 else ""
        return f"{self.archive}/{self.name}{again}"

    def read_bytes(self) -> bytes:
        """Unpacks it in memory, at most MAX_BYTES whatever the archive says of its size.

        Raises:
            InputError: it is larger, damaged or encrypted.
        """
        try:
            data = self.read_start(MAX_BYTES + 1)
        except Exception as error:  # each compression method has its own errors
            raise InputError(f"{self}: cannot be unpacked ({error}); unpack it yourself") from error
        if len(data) > MAX_BYTES:
            raise InputError(f"{self}: unpacks to more than {MAX_BYTES} bytes; unpack it yourself")
        return data

    def read_start(self, limit: int) -> bytes:
        """The first bytes, in steps, since a step is unpacked whole before it is cut to its size."""
        lazy = self.info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        chunk = CHUNK if lazy else CHUNK_OTHERS
        data = bytearray()
        with self.opened.open(self.info) as file:
            while len(data) < limit and (read := file.read(min(chunk, limit - len(data)))):
                data += read
        return bytes(data)


def list_members(
    path: Path, passed: list[PassedOver] | None = None
) -> Iterator[tuple[Member, Path]]:
    """The images in a zip archive, without hidden files and those that macOS adds (__MACOSX).

    Args:
        passed: gets the other members that look like images or may hold some, and those whose names lead
            out of the archive, and would lead out of the output folder.

    Raises:
        ArchiveError: not a zip archive.
        InputError: no image in it.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise ArchiveError(f"{path}: is not a zip archive ({error}); pack it again") from error
    members: dict[tuple[str, int], Member] = {}
    others = list[PassedOver]()
    for info in archive.infolist():
        name = read_name(info)
        if name.endswith("/") or is_hidden(name):
            continue
        number = 1
        while (name, number) in members:
            number += 1
        member = Member(path, name, info, archive, number)
        inside = PurePosixPath(name)
        taken = is_image(inside) or is_image_inside(inside, start := sniff(member))
        if taken and leads_out(name):
            others.append(PassedOver(str(member), OUTSIDE))
        elif taken:
            members[name, number] = member
        elif kind := kind_passed_over(inside, start):
            packed = f"{PACKED}{kind}" if kind in NAMED_KINDS else kind
            others.append(PassedOver(str(member), packed))
    require_images(path, members, others)
    if passed is not None:
        passed += others
    for (name, _), member in sorted(members.items()):
        yield member, Path(name)


def leads_out(name: str) -> bool:
    """True for a path that leads out of the folder it is put into, here or on Windows."""
    path = PurePosixPath(name)
    return path.is_absolute() or bool(PureWindowsPath(name).anchor) or ".." in path.parts


def sniff(member: Member) -> bytes:
    """The first bytes of a member; none if it cannot be unpacked."""
    try:
        return member.read_start(SNIFFED)
    except Exception:  # each compression method has its own errors
        return b""


def is_hidden(name: str) -> bool:
    """True for a member in a hidden folder, or in the one that macOS adds."""
    folders = PurePosixPath(name).parts[:-1]
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in folders)


def read_name(info: zipfile.ZipInfo) -> str:
    """A member's name as its writer saw it, with slashes, and _ for control characters."""
    name = info.orig_filename
    if not info.flag_bits & UTF8_NAME and not name.isascii():
        name = read_unicode_path(info.extra) or guess_name(name.encode("cp437"))
    return CONTROLS.sub("_", name.replace("\\", "/"))


def read_unicode_path(extra: bytes) -> str | None:
    """The name in Info-ZIP's extra field; None if there is none. APPNOTE.TXT, 4.6.9."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = (int.from_bytes(extra[at + i : at + i + 2], "little") for i in (0, 2))
        if kind == UNICODE_PATH and size > 5:
            return extra[at + 9 : at + 4 + size].decode("utf-8", "replace")
        at += 4 + size
    return None


def guess_name(raw: bytes) -> str:
    """Decodes a name whose encoding is not stated: UTF-8, GBK, Shift JIS, else code page 437.

    The Asian encodings also decode most names of Western Europe, to a single odd character between
    letters; so only runs of several characters count, or pairs that GB 2312 has.
    """
    for encoding in ("utf-8", "gb2312", "cp932", "gbk"):
        try:
            name = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding in ("utf-8", "gb2312") or is_asian(name):
            return name
    return raw.decode("cp437")


def is_asian(name: str) -> bool:
    """True if the characters beyond ASCII are runs of Chinese characters and kana."""
    return all(
        len(run) > 1
        and all(
            unicodedata.name(each, "").startswith(("CJK", "HIRAGANA", "KATAKANA")) for each in run
        )
        for run in NON_ASCII.findall(name)
    )
