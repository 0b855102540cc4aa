"""The masks of a run for annotation tools: each image's name, size and mask, read back from its file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np

from inference.batch.overview import Results
from inference.batch.writer import Done
from inference.errors import InputError
from inference.images.pixels import Source, read_mask
from inference.runtime.pool import Pool
from inference.runtime.stream import map_ahead


class Annotated(NamedTuple):
    """An image and its mask.

    Attributes:
        file: the image's name below the folder that was segmented, with slashes.
        mask: (H, W) bool.
    """

    file: str
    mask: np.ndarray


class Box(NamedTuple):
    """The smallest box around a mask, in pixels."""

    left: int
    top: int
    width: int
    height: int


def read_masks(results: Results) -> Iterator[Annotated]:
    """Yields the images of a run in order."""

    def read(item: tuple[Source, Done]) -> Annotated:
        _, done = item
        folder = PurePosixPath(done.row.mask).parent
        name = PurePosixPath(*Path(done.row.image).parts).name
        # Names that are not UTF-8 cannot be written to a text file.
        file = os.fsencode(str(folder / name)).decode("utf-8", "replace")
        path = results.output / done.row.mask
        mask = read_mask(path)
        if mask.shape != (done.row.height, done.row.width):
            raise InputError(
                f"{path}: is not as large as its image; delete it, and --resume makes it again"
            )
        return Annotated(file, mask)

    with Pool(results.threads) as pool:
        yield from map_ahead(pool, read, results.done, ahead=2 * results.threads)


def find_box(mask: np.ndarray) -> Box | None:
    """The box around a (H, W) bool mask; None for an empty one."""
    box = Box(*cv2.boundingRect(mask.view(np.uint8)))
    return box if box.width else None
