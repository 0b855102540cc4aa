"""HEIC and HEIF files, as telephones write them: libheif decodes them (the extra heic).

libheif turns the image by the file's own irot and imir. The orientation in EXIF data repeats these, and
is for information only (ISO/IEC 23008-12, A.2.1): it is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from inference.errors import DamageError
from inference.images.codecs.boxes import walk_boxes
from inference.images.formats import READ_KINDS
from inference.images.limits import TooLargeError, require_pixels

IMPOSSIBLE = re.compile(rb"\0\0[\0-\2]")
MAX_EXTENTS = 32  # of an item, as libheif has it
ESSENTIAL = frozenset((b"ftyp", b"meta", b"mdat"))


def decode_heic(data: bytes) -> np.ndarray | None:
    """Decodes the primary image of a HEIC file, upright, without its alpha.

    Of a burst, or an image with thumbnails and maps of depth, that is the one which viewers show.

    Returns:
        (H, W) or (H, W, 3) BGR, uint8, or uint16 with the 10 or 12 bits that are stored; None if
        libheif does not know this kind, or is not installed.

    Raises:
        DamageError: the file is damaged or cut short.
        TooLargeError: it has more pixels than `max_pixels`; it has not been decoded.
    """
    if "HEIC" not in READ_KINDS:
        return None
    import pillow_heif  # here: it loads Pillow, too

    require_whole(data)
    try:
        image = pillow_heif.open_heif(
            data, convert_hdr_to_8bit=False, hdr_to_16bit=False, bgr_mode=True
        )
        width, height = image.size
        require_pixels(height, width)
        pixels = np.asarray(image)
    except TooLargeError:
        raise
    except SyntaxError:  # a feature that libheif lacks
        return None
    except (ValueError, EOFError, RuntimeError, OSError, IndexError) as error:
        reason = str(error).strip() or type(error).__name__
        raise DamageError(reason.splitlines()[0]) from error
    return np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else pixels)


def require_whole(data: bytes) -> None:
    """Raises DamageError for what libheif passes over in silence: tiles that are missing, or zeros.

    A file that is cut short ends inside a box. One that was not copied whole may have its length all the
    same, and zeros in place of the rest: in the units of a coded image (ISO/IEC 23008-2, 7.4.2) the bytes
    000000, 000001 and 000002 never occur. Other damage to a coded image is not found.
    """
    boxes = {kind: (start, end) for kind, start, end in walk_boxes(data)}
    if any(end > len(data) for kind, (_, end) in boxes.items() if kind in ESSENTIAL):
        raise DamageError("it ends in the middle of the image")
    start, end = boxes.get(b"meta", (0, 0))
    parts = {kind: data[begin:stop] for kind, begin, stop in walk_boxes(data, start + 4, end)}
    coded = find_coded(parts.get(b"iinf", b""))
    for item, content in find_contents(parts.get(b"iloc", b""), data):
        if item in coded and not is_coded(content):
            raise DamageError("a part of the image is missing")


def find_coded(iinf: bytes) -> set[int]:
    """The numbers of the items that are images coded by HEVC (ISO/IEC 14496-12, 8.11.6)."""
    found = set()
    for kind, start, end in walk_boxes(iinf, 8 if iinf[:1] > b"\0" else 6):
        size = 4 if iinf[start : start + 1] > b"\2" else 2  # of the number
        at = start + 4 + size + 2
        if kind == b"infe" and iinf[at : min(at + 4, end)] == b"hvc1":
            found.add(int.from_bytes(iinf[start + 4 : start + 4 + size], "big"))
    return found


def find_contents(iloc: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items that lie in the file, each with its bytes (ISO/IEC 14496-12, 8.11.3).

    Ends early where numbers are absurd, which libheif refuses: many extents, more bytes than there are.
    """
    at, left = 4, 2 * len(data)  # an item may share its bytes with another

    def read(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(iloc[at - size : at], "big")

    version, sizes = iloc[0] if iloc else 0, (read(1), read(1))
    of_offset, of_length, of_base, of_index = (n for size in sizes for n in (size >> 4, size & 15))
    wide = 4 if version == 2 else 2
    for _ in range(read(wide)):
        item, method = read(wide), read(2) & 15 if version else 0
        read(2)
        base, extents, content = read(of_base), read(2), b""
        if extents > MAX_EXTENTS:
            return
        for _ in range(extents):
            read(of_index if version else 0)
            start = base + read(of_offset)
            content += data[start : start + min(read(of_length), left)]
        left -= len(content)
        if at > len(iloc) or left < 0:
            return
        if method == 0:
            yield item, content


def is_coded(content: bytes) -> bool:
    """True for units of HEVC, each behind its length in four bytes, without what cannot be in them."""
    at = 0
    while at < len(content):
        start = at + 4
        at = start + int.from_bytes(content[at:start], "big")
        if at == start or at > len(content) or IMPOSSIBLE.search(content, start, at):
            return False
    return True
