"""Reads the tags of a TIFF file, and of EXIF data, which are laid out alike."""

from __future__ import annotations

import struct
from typing import NamedTuple

ORIENTATION = 274
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}  # of a value
CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # the unsigned types
MAX_TAGS, MAX_VALUES, MAX_DIRECTORIES = 4096, 64, 64


class Tag(NamedTuple):
    """A tag's unsigned values, MAX_VALUES at most; where in the file they lie, how many, and as what."""

    values: tuple[int, ...]
    offset: int
    length: int
    code: str  # of a value, for struct: byte order and type

    def read(self, data: bytes, count: int) -> tuple[int, ...]:
        """The first `count` values, or all if there are fewer, beyond MAX_VALUES too.

        Raises:
            struct.error: they lead out of the file.
        """
        code = f"{self.code[0]}{min(self.length, count)}{self.code[1]}"
        return struct.unpack_from(code, data, self.offset)


class Directory(NamedTuple):
    """The tags of one image in a TIFF file, where they begin, and where the next image's begin."""

    offset: int
    tags: dict[int, Tag]
    next_offset: int

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        found = self.tags.get(tag)
        return found.values[0] if found and found.values else default


class Layout(NamedTuple):
    """Byte order ("<" or ">"), BigTIFF or not, where the first directory's offset stands."""

    order: str
    big: bool
    pointer: int

    @property
    def offset_format(self) -> str:
        return self.order + ("Q" if self.big else "I")


def read_layout(data: bytes) -> Layout | None:
    """What the first bytes of a TIFF file say; None if it is none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    if version not in (42, 43):
        return None
    return Layout(order, version == 43, 8 if version == 43 else 4)


def read_directories(data: bytes) -> list[Directory]:
    """The directories of a TIFF file in order; empty if it is not well-formed."""
    layout = read_layout(data)
    directories: list[Directory] = []
    if not layout:
        return directories
    try:
        (offset,) = struct.unpack_from(layout.offset_format, data, layout.pointer)
        while offset and len(directories) < MAX_DIRECTORIES:
            directories.append(read_directory(data, layout, offset))
            offset = directories[-1].next_offset
    except struct.error:
        pass  # cut short: what was read so far counts
    return directories


def read_directory(data: bytes, layout: Layout, offset: int) -> Directory:
    """Reads one directory.

    Raises:
        struct.error: it leads out of the file.
    """
    order, big, _ = layout
    (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, offset)
    start, entry_size, inline = (offset + 8, 20, 8) if big else (offset + 2, 12, 4)
    tags = {}
    for number in range(min(count, MAX_TAGS)):
        at = start + number * entry_size
        tag, kind, length = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", data, at)
        at += entry_size - inline
        if length * SIZES.get(kind, 1) > inline:
            (at,) = struct.unpack_from(layout.offset_format, data, at)
        if kind in CODES:
            values = struct.unpack_from(f"{order}{min(length, MAX_VALUES)}{CODES[kind]}", data, at)
            tags[tag] = Tag(values, at, length, order + CODES[kind])
    end = start + count * entry_size
    (next_offset,) = struct.unpack_from(layout.offset_format, data, end)
    return Directory(offset, tags, next_offset)


def read_orientation(exif: bytes) -> int:
    """The orientation that EXIF data holds, 1 to 8; 1, upright, if it holds none."""
    directories = read_directories(exif)
    found = directories[0].first(ORIENTATION, 1) if directories else 1
    return found if 1 <= found <= 8 else 1
