"""Small images with the outlines of the masks that a run has written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from inference.batch.writer import Done
from inference.errors import InputError
from inference.images.pixels import Source, read_image, read_mask
from inference.masks.drawing import draw_outline, fit
from inference.runtime.stream import map_ahead

MISSING = np.full((1, 1, 3), 255, np.uint8)


def draw_thumbnails(
    output: Path, done: Sequence[tuple[Source, Done]], threads: int
) -> Iterator[np.ndarray]:
    """Draws the outlines of the written masks on their images, small: (h, w, 3) uint8 RGB each."""

    def thumbnail(item: tuple[Source, Done]) -> np.ndarray:
        source, image = item
        try:
            return fit(draw_outline(read_image(source), read_mask(output / image.row.mask)))
        except (InputError, OSError, MemoryError):  # the file has gone since
            return MISSING

    with ThreadPoolExecutor(threads) as pool:
        yield from map_ahead(pool, thumbnail, done, ahead=2 * threads)
