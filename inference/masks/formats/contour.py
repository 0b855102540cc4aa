"""The outermost pixels of the lesion as a grey PNG of 8 bits, 0 or 255."""

from __future__ import annotations

from pathlib import Path

from inference.masks.drawing import find_border
from inference.masks.formats.format import Format, Segmented
from inference.masks.png import write_mask


def write(lesion: Segmented, path: Path) -> None:
    write_mask(path, find_border(lesion.mask))


CONTOUR = Format("contour", "_contour.png", "the outline alone", write)
