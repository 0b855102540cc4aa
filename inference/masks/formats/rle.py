"""The mask as COCO's compressed run lengths, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inference.files import write_json
from inference.masks.formats.format import Format, Segmented

FIVE_BITS, MORE, FIRST = 0x1F, 0x20, 48


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Encodes a mask as compressed COCO RLE, as `pycocotools.mask.encode` does.

    Args:
        mask: (H, W) bool.

    Returns:
        {"size": [H, W], "counts": text}: run lengths down the columns, background first.
    """
    return {"size": list(mask.shape), "counts": pack(find_counts(mask.T.ravel()))}


def find_counts(values: np.ndarray) -> list[int]:
    """Run lengths of a flat (N,) bool mask, background first: the first may be 0."""
    edges = np.flatnonzero(np.diff(values, prepend=False))
    return np.diff(edges, prepend=0, append=len(values)).tolist()


def pack(counts: list[int]) -> str:
    """COCO's text for run lengths.

    Each is written as its difference from the last but one, five bits a letter, the lowest first, as in
    rleToString of pycocotools' maskApi.c.
    """
    text = bytearray()
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        while True:
            bits, rest = rest & FIVE_BITS, rest >> 5
            # Done when all that remains is the sign, which the fifth bit tells.
            done = rest == (-1 if bits & 0x10 else 0)
            text.append(FIRST + (bits if done else bits | MORE))
            if done:
                break
    return text.decode("ascii")


def write(lesion: Segmented, path: Path) -> None:
    write_json(path, encode_rle(lesion.mask))


RLE = Format("rle", "_rle.json", "COCO's run lengths", write, (".json",))
