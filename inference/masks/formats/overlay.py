"""The image as a JPEG, with the lesion's outline drawn on it."""

from __future__ import annotations

from pathlib import Path

from inference.images.write import write_image
from inference.masks.formats.format import Format, Segmented


def write(lesion: Segmented, path: Path) -> None:
    write_image(path, lesion.overlay())


OVERLAY = Format("overlay", "_overlay.jpg", "the outline on the image", write, (".jpg", ".jpeg"))
