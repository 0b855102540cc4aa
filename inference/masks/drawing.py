"""Drawings for people: outlines, borders, thumbnails, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

OUTLINE = (0, 255, 170)  # RGB
CELL = 192  # side of a contact sheet's squares, in pixels


def draw_outline(
    image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int] = OUTLINE
) -> np.ndarray:
    """Draws the border of a mask on a copy of the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.

    Returns:
        (H, W, 3) uint8 RGB; the line gets wider with the image.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    width = max(1, round(max(mask.shape) / 200))
    return cv2.drawContours(image.copy(), contours, -1, colour, width, cv2.LINE_AA)


def find_border(mask: np.ndarray) -> np.ndarray:
    """The outermost pixels of a mask: (H, W) bool -> (H, W) bool; the frame's edge counts as border."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inside = cv2.erode(mask.view(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & ~inside.view(bool)


def fit(image: np.ndarray, side: int = CELL - 4) -> np.ndarray:
    """Scales an image (H, W, 3) so that its longer side has `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, shape, interpolation=cv2.INTER_AREA)


def make_sheet(images: Sequence[np.ndarray], columns: int = 6) -> np.ndarray:
    """Arranges images in a grid, on one contact sheet.

    Args:
        images: (H, W, 3) uint8 RGB each, of any size; at least one.
        columns: images per row.

    Returns:
        (rows * CELL, columns * CELL, 3) uint8 RGB, white where there is no image.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * CELL, columns * CELL, 3), 255, np.uint8)
    for number, image in enumerate(images):
        fitted = fit(image)
        height, width = fitted.shape[:2]
        top = number // columns * CELL + (CELL - height) // 2
        left = number % columns * CELL + (CELL - width) // 2
        sheet[top : top + height, left : left + width] = fitted
    return sheet
