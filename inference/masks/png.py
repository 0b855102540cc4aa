"""Run lengths of a mask -> PNG file, 8-bit grey.

`encode_png(runs)` decodes to the same pixels as

    cv2.imencode(".png", runs.mask * np.uint8(255))

in a tenth of the time, because it never sees a pixel: from a probability map to the file, a mask of
6000 x 4000 takes 4.8 ms, against 383 ms of resizing, cutting and compressing pixels.

Run lengths are written as DEFLATE (RFC 1951) directly: a run of n equal bytes is that byte, then copies
of the byte before. All masks share one Huffman code, in which a copy of 258 bytes, the longest there is,
takes two zero bits: blank areas take no work, and a file is about as large as zlib would make it.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from inference.files import write_bytes
from inference.masks.runlength import RunLengths, find_runs

START = b"\x89PNG\r\n\x1a\n"
LONGEST = 258  # bytes of the longest copy
ADLER = 65521  # of zlib's checksum (RFC 1950)

# Code words of the symbols in use, most significant bit first: five bits for byte 0, one for the longest
# copy (285), six for byte 255, the end of the block (256) and the 28 classes of shorter copies (257-284).
BLACK, WHITE, END, SHORTEST = "10000", f"{34:06b}", f"{35:06b}", 36
NEAR = "0"  # distance 1
# The header that describes this code: last block, own code, 286 symbols and 2 distances, 18 lengths of
# the code that code lengths are written in: 2 bits for 16 (repeat), 18 (zeros) and 6, 3 bits for 5 and 1.
# Then the code lengths: 5, 254 zeros, 6 thirty times, 1 for symbol 285, 1 for each distance.
FIELDS = [(1, 1), (2, 2), (286 - 257, 5), (2 - 1, 5), (18 - 4, 4)]
SIZE_CODE = {6: "00", 16: "01", 18: "10", 1: "110", 5: "111"}
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)


def low_first(value: int, size: int) -> str:
    """A number as DEFLATE writes everything but code words: least significant bit first."""
    return f"{value:0{size}b}"[::-1] if size else ""


def make_header() -> str:
    """The bits of the block's header."""
    zeros = SIZE_CODE[18] + low_first(138 - 11, 7) + SIZE_CODE[18] + low_first(116 - 11, 7)
    sixes = SIZE_CODE[6] + "".join(SIZE_CODE[16] + low_first(n - 3, 2) for n in (6, 6, 6, 6, 5))
    return (
        "".join(low_first(*field) for field in FIELDS)
        + "".join(low_first(len(SIZE_CODE.get(size, "")), 3) for size in ORDER)
        + (SIZE_CODE[5] + zeros + sixes + 3 * SIZE_CODE[1])
    )


def repeat(byte: str, times: int) -> str:
    """The bits for `times` more of a byte (BLACK or WHITE), fewer than LONGEST."""
    if times < 3:
        return byte * times
    rest = times - 3
    extra = max(0, rest.bit_length() - 3)  # bits that tell apart the lengths of one class
    symbol = SHORTEST + 4 * extra + (rest >> extra)
    return f"{symbol:06b}" + low_first(rest & (1 << extra) - 1, extra) + NEAR


def to_numbers(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Strings of bits as numbers, the first bit lowest, and the length of each: (N,) int64."""
    return np.array([int("0" + word[::-1], 2) for word in words]), np.array([*map(len, words)])


HEADER = np.array([*map(int, make_header())], np.uint8)
FIRST, FIRST_SIZES = to_numbers([BLACK, WHITE])
REST, REST_SIZES = to_numbers([repeat(byte, n) for byte in (BLACK, WHITE) for n in range(LONGEST)])


def encode_png(runs: RunLengths) -> bytes:
    """Encodes a mask as an 8-bit grey PNG file, 0 or 255."""
    size = struct.pack(">2I5B", runs.width, runs.height, 8, 0, 0, 0, 0)
    data = b"\x78\x01" + compress(runs) + struct.pack(">I", checksum(runs))
    chunks = (b"IHDR", size), (b"IDAT", data), (b"IEND", b"")
    return START + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def is_undamaged(data: bytes) -> bool:
    """True for a PNG file whose chunks are all there and match their checksums."""
    at, kind = len(START), b""
    while data.startswith(START) and kind != b"IEND" and at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")  # length, kind, content, checksum
        kind = data[at + 4 : at + 8]
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            return False
        at = end + 4
    return kind == b"IEND"


def compress(runs: RunLengths) -> bytes:
    """One DEFLATE block of the scan lines."""
    lengths = np.diff(runs.edges, prepend=0, append=runs.height * runs.stride)
    white = np.arange(len(lengths)) % 2
    white, lengths = white[lengths > 0], lengths[lengths > 0]  # the last one may be empty
    longest, rest = np.divmod(lengths - 1, LONGEST)
    rest += LONGEST * white
    sizes = np.stack((FIRST_SIZES[white] + 2 * longest, REST_SIZES[rest]), 1).ravel()
    ends = len(HEADER) + np.cumsum(sizes)
    bits = np.zeros(ends[-1] + len(END), np.uint8)
    bits[: len(HEADER)] = HEADER
    bits[-len(END) :] = [*map(int, END)]
    words, begins = np.stack((FIRST[white], REST[rest]), 1).ravel(), ends - sizes
    for bit in range(REST_SIZES.max()):
        bits[begins[words >> bit & 1 > 0] + bit] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def checksum(runs: RunLengths) -> int:
    """zlib.adler32 of the scan lines: it sums bytes, and bytes times their distance from the end."""
    total = runs.height * runs.stride
    weights = (runs.ends - runs.starts) * (2 * total + 1 - runs.starts - runs.ends) // 2
    low, high = 1 + 255 * runs.area, total + 255 * int(weights.sum())
    return high % ADLER << 16 | low % ADLER


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Writes a (H, W) bool mask as `write_runs` does."""
    write_runs(path, find_runs(mask))


def write_runs(path: Path, runs: RunLengths) -> None:
    """Writes a mask atomically as 8-bit PNG, 0 or 255.

    Not 1-bit: numpy reads that through Pillow as False and True, where the usual `> 128` finds nothing.
    """
    write_bytes(path, encode_png(runs))
