"""sheet.jpg: what a person looks at first after a run, small images with their outlines."""

from __future__ import annotations

from pathlib import Path

from inference.batch.overview import Overview, Results
from inference.batch.thumbnails import draw_thumbnails
from inference.images.write import write_image
from inference.masks.drawing import make_sheet

SHEET_IMAGES = 24


def write_sheet(path: Path, results: Results) -> None:
    """Writes the first images, with their outlines, on one contact sheet."""
    thumbnails = list(draw_thumbnails(results.output, results.done[:SHEET_IMAGES], results.threads))
    if thumbnails:
        write_image(path, make_sheet(thumbnails))


SHEET = Overview(
    "sheet", "sheet.jpg", f"{SHEET_IMAGES} small images, outlined", write_sheet, shows_masks=True
)
