"""The boxes of ISO media files, of which HEIC, AVIF and MP4 consist (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator


def walk_boxes(
    data: bytes, at: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places in a file, without going into them.

    Yields:
        Kind, where the content starts, and where it ends by the box's own word: beyond `end` if the file
        is cut short.
    """
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        stop = end if size == 0 else at + size
        if stop < start:
            return
        yield kind, start, stop
        at = stop
