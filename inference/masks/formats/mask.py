"""The mask as a grey PNG of 8 bits: 255 where lesion, else 0, as ISIC publishes masks."""

from __future__ import annotations

from pathlib import Path

from inference.masks.formats.format import Format, Segmented
from inference.masks.png import write_runs


def write(lesion: Segmented, path: Path) -> None:
    write_runs(path, lesion.lesion)


MASK = Format("mask", "_segmentation.png", "0 or 255", write, (".png",))
