"""Pictures of anything but a lesion, to fit what tells them apart: made-up scenes, and bare skin."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Scene = Callable[[np.random.Generator], np.ndarray]  # -> (SIDE, SIDE, 3) uint8 RGB

SIDE = 384
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
LETTERS = list("abcdefghij klmnopqr stuvwxyz ")
LEAST_SKIN = 0.36  # side of a square of bare skin, as a share of the shorter side of the image
MARGIN = 0.02  # of the shorter side, kept between that square and the lesion
LEAST_LIGHT = 60  # mean level: a square that is darker lies in the corner of a round field of view


def pick_colour(rng: np.random.Generator) -> list[int]:
    return [int(level) for level in rng.integers(0, 256, 3)]


def fill(colour: list[int]) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def paint_grey(rng: np.random.Generator) -> np.ndarray:
    return fill([int(rng.integers(0, 256))] * 3)


def paint_colour(rng: np.random.Generator) -> np.ndarray:
    return fill(pick_colour(rng))


def paint_gradient(rng: np.random.Generator) -> np.ndarray:
    ends = np.array([[pick_colour(rng)], [pick_colour(rng)]], np.uint8)
    image = cv2.resize(ends, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.rot90(image, int(rng.integers(4))).copy()


def paint_noise(rng: np.random.Generator) -> np.ndarray:
    noise = rng.uniform(5, 80) * rng.standard_normal((SIDE, SIDE, 3))
    return np.clip(rng.integers(0, 256, 3) + noise, 0, 255).astype(np.uint8)


def paint_clouds(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(0, 256, (*[int(rng.integers(3, 24))] * 2, 3), dtype=np.uint8)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def write_text(rng: np.random.Generator) -> np.ndarray:
    image = fill([255] * 3 if rng.random() < 0.7 else pick_colour(rng))
    ink = [int(rng.integers(90))] * 3
    font, size = FONTS[rng.integers(len(FONTS))], float(rng.uniform(0.3, 1))
    for bottom in range(20, SIDE, int(rng.integers(14, 40))):
        line = "".join(rng.choice(LETTERS, 60))
        cv2.putText(image, line, (8, bottom), font, size, ink, 1, cv2.LINE_AA)
    return image


def draw_rectangles(rng: np.random.Generator) -> np.ndarray:
    image = fill(pick_colour(rng))
    for _ in range(int(rng.integers(3, 25))):
        first, second = rng.integers(0, SIDE, (2, 2)).tolist()
        cv2.rectangle(image, first, second, pick_colour(rng), cv2.FILLED)
    return image


def draw_chart(rng: np.random.Generator) -> np.ndarray:
    image = fill([245] * 3)
    across = np.arange(30, SIDE - 20, 6)
    for _ in range(int(rng.integers(1, 5))):
        height = rng.uniform(50, SIDE - 50) + np.cumsum(rng.normal(0, 8, len(across)))
        line = np.stack([across, height], axis=1).astype(np.int32)
        cv2.polylines(image, [line], False, pick_colour(rng), 2, cv2.LINE_AA)
    cv2.line(image, (30, 20), (30, SIDE - 30), (0, 0, 0))
    cv2.line(image, (30, SIDE - 30), (SIDE - 20, SIDE - 30), (0, 0, 0))
    for tick in range(6):
        place = 4, SIDE - 30 - 55 * tick
        cv2.putText(image, str(10 * tick), place, FONTS[0], 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return image


def draw_checks(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE)) // int(rng.integers(8, 64))
    colours = np.array([pick_colour(rng), pick_colour(rng)], np.uint8)
    return colours[(rows + columns) % 2]


SCENES: tuple[Scene, ...] = (
    paint_grey,
    paint_colour,
    paint_gradient,
    paint_noise,
    paint_clouds,
    write_text,
    draw_rectangles,
    draw_chart,
    draw_checks,
)


def make_scenes(count: int, seed: int = 0) -> list[np.ndarray]:
    """So many made-up pictures, each kind in turn: (SIDE, SIDE, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    return [SCENES[number % len(SCENES)](rng) for number in range(count)]


def cut_skin(image: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """The largest square of an image beside its lesion.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, the true mask.

    Returns:
        (side, side, 3) uint8 RGB; None if the square is small, or dark.
    """
    shorter = min(mask.shape)
    kernel = np.ones((2 * round(MARGIN * shorter) + 1,) * 2, np.uint8)
    lesion = cv2.dilate(mask.astype(np.uint8), kernel)
    bare = cv2.copyMakeBorder(1 - lesion, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    reach = cv2.distanceTransform(bare, cv2.DIST_C, 3)[1:-1, 1:-1] - 1
    row, column = np.unravel_index(np.argmax(reach), reach.shape)
    half = int(reach[row, column])
    square = image[row - half : row + half + 1, column - half : column + half + 1]
    if 2 * half + 1 < LEAST_SKIN * shorter or square.mean() < LEAST_LIGHT:
        return None
    return square
