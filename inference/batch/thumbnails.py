"""Small images and masks of what a run has written, for its sheet and its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from inference.batch.writer import Done
from inference.errors import InputError
from inference.images.pixels import Source, read_mask, read_resized
from inference.runtime.pool import Pool
from inference.runtime.stream import map_ahead


class Thumbnail(NamedTuple):
    """A small image, (h, w, 3) uint8 RGB, and its mask, (h, w) bool."""

    pixels: np.ndarray
    mask: np.ndarray


def make_thumbnails(
    output: Path, done: Sequence[tuple[Source, Done]], side: int, threads: int
) -> Iterator[Thumbnail | None]:
    """Yields images of a run, small and in order; None for an image that has gone since.

    Args:
        side: of the longer side, in pixels.
    """

    def make(item: tuple[Source, Done]) -> Thumbnail | None:
        source, finished = item
        try:
            return make_thumbnail(source, output / finished.row.mask, side)
        except (InputError, OSError, MemoryError):
            return None

    with Pool(threads) as pool:
        yield from map_ahead(pool, make, done, ahead=2 * threads)


def make_thumbnail(source: Source, mask: Path, side: int) -> Thumbnail:
    """Reads an image and its mask, made small.

    Raises:
        InputError, OSError: as `read_resized` and `read_mask`.
    """
    square, height, width, _ = read_resized(source, side)  # decodes large photos at reduced scale
    scale = side / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    levels = read_mask(mask).astype(np.uint8) * np.uint8(255)
    return Thumbnail(
        cv2.resize(square, shape, interpolation=cv2.INTER_AREA),
        cv2.resize(levels, shape, interpolation=cv2.INTER_AREA) > 127,
    )
