"""Drawings for people: outlines, borders, thumbnails, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

OUTLINE = (0, 255, 170)  # RGB
CELL, GAP = 192, 4  # a contact sheet's square, and the space between two images, in pixels
GROUND = (24, 28, 33)  # RGB, behind the images of a contact sheet


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


def fit(image: np.ndarray, side: int = CELL - GAP) -> np.ndarray:
    """Scales an image (H, W, 3) so that its longer side has `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, shape, interpolation=cv2.INTER_AREA)


def make_sheet(images: Sequence[np.ndarray], columns: int = 6) -> np.ndarray:
    """Arranges images in a grid, on one contact sheet.

    Args:
        images: (h, w, 3) uint8 RGB each, as small as they are to be seen; at least one.
        columns: images per row.

    Returns:
        (H, W, 3) uint8 RGB, dark where there is no image: columns are as wide as the widest image, rows
        as high as their highest.
    """
    columns = min(columns, len(images))
    across = max(image.shape[1] for image in images) + GAP
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    bands = []
    for row in rows:
        band = np.full((max(map(len, row)) + GAP, columns * across, 3), GROUND, np.uint8)
        for number, image in enumerate(row):
            height, width = image.shape[:2]
            left = number * across + (across - width) // 2
            top = (len(band) - height) // 2
            band[top : top + height, left : left + width] = image
        bands.append(band)
    return np.concatenate(bands)
