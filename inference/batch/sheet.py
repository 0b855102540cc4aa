"""sheet.jpg: the images most in doubt on one contact sheet, with their outlines, names and areas."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inference.batch.overview import Overview, Results
from inference.batch.thumbnails import Thumbnail, make_thumbnails
from inference.batch.writer import Done
from inference.cli import escape_line
from inference.images.write import write_image
from inference.masks.drawing import GROUND, draw_outline, make_sheet

MAX_IMAGES, MAX_COLUMNS = 24, 6
SIDE = 264  # of the longer side of an image, in pixels
LINE, MARGIN = 20, 6  # height of a line of text, space on either side of an image, in pixels
MARK = "CHECK"
TEXT, QUIET, DOUBT = (236, 240, 243), (160, 170, 180), (255, 170, 60)  # RGB


def write_sheet(path: Path, results: Results) -> None:
    """Writes the sheet, unless there is no image."""
    shown = results.most_doubtful(MAX_IMAGES)
    thumbnails = make_thumbnails(results.output, shown, SIDE, results.threads)
    cards = [draw_card(done, thumbnail) for (_, done), thumbnail in zip(shown, thumbnails)]
    if cards:
        rows = -(-len(cards) // MAX_COLUMNS)
        write_image(path, make_sheet(cards, -(-len(cards) // rows)))


def draw_card(done: Done, thumbnail: Thumbnail | None) -> np.ndarray:
    """An image with its outline, and below it its name, its area and a mark if it should be checked.

    Returns:
        (h, SIDE + 2 * MARGIN, 3) uint8 RGB.
    """
    row, picture = done.row, draw_picture(thumbnail)
    height, width = picture.shape[:2]
    left = MARGIN + (SIDE - width) // 2
    if row.doubtful:
        cv2.rectangle(picture, (0, 0), (width - 1, height - 1), DOUBT, 5)
    card = np.full((height + 2 * LINE + MARGIN, SIDE + 2 * MARGIN, 3), GROUND, np.uint8)
    card[:height, left : left + width] = picture
    name = shorten(escape_line(Path(row.image).name), SIDE)
    write_text(card, name, MARGIN, height + LINE, TEXT)
    area = f"{row.lesion_percent:.1f} %, {row.lesion_px:,} px"
    write_text(card, area, MARGIN, height + 2 * LINE, QUIET)
    if row.doubtful:
        write_text(card, MARK, MARGIN + SIDE - measure_text(MARK), height + 2 * LINE, DOUBT)
    return card


def draw_picture(thumbnail: Thumbnail | None) -> np.ndarray:
    """A small image with its outline; of one that has gone since, a dark square."""
    if thumbnail is None:
        return np.full((SIDE, SIDE, 3), 48, np.uint8)
    return draw_outline(thumbnail.pixels, thumbnail.mask)


def write_text(image: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Writes text on an image, its foot at (x, y); OpenCV 4 shows ? for what is not ASCII."""
    cv2.putText(image, text, (x, y - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def measure_text(text: str) -> int:
    """The width of a text in pixels."""
    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0]


def shorten(name: str, width: int) -> str:
    """A name that fits into `width` pixels, its middle left out if need be: its end tells files apart."""
    short = name
    for kept in range(len(name), 1, -1):
        if measure_text(short) <= width:
            break
        short = f"{name[: kept // 2]}...{name[-(kept - kept // 2) :]}"
    return short


SHEET = Overview(
    "sheet", "sheet.jpg", f"{MAX_IMAGES} small images, outlined", write_sheet, shows_masks=True
)
