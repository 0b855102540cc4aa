"""Random changes of an image and its mask: what augmentations are made of, in OpenCV.

Every function takes its random generator first; the same state gives the same result. Images are
(S, S, 3) uint8 RGB, masks (S, S) uint8, 0 or 1, going in and coming out.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

ROTATION = 180.0  # degrees; a dermoscopic image has no upright
SHIFT = 0.08  # of the side
MIN_SMOOTH_SCALE = 0.7  # below it linear interpolation skips pixels
MIN_LIGHT = 0.25  # share of the light below which an outline cannot be seen
MAX_BLUR = 0.01  # standard deviation, as a share of the side
MIN_JPEG_QUALITY = 30  # of 100
MAX_SHARPENING = 2.0  # times the detail that a blur takes away
MAX_NOISE = 20.0  # standard deviation, in levels
CORNER = 0.35  # of the side: a corner is skin if the lesion stays clear of it

Sample = tuple[np.ndarray, np.ndarray]  # image and mask


class Ranges(NamedTuple):
    """How far changes go.

    Attributes:
        scale: least and greatest; below 1 the lesion shrinks.
        stretch: greatest ratio of the sides, which squashing frames to squares changes.
        black_border: share of the shrunk images with a black border instead of mirrored skin.
        brightness, contrast, colour, saturation: greatest change, as a share.
        hairs: most of them.
    """

    scale: tuple[float, float]
    stretch: float
    black_border: float
    brightness: float
    contrast: float
    colour: float
    saturation: float
    hairs: int


def move(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, ranges: Ranges) -> Sample:
    """Flips, rotates, scales, stretches and shifts in one affine warp, so with one interpolation."""
    size = len(image)
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION))
    scale = np.exp(rng.uniform(*np.log(ranges.scale)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(ranges.stretch) / 2)
    flip = rng.choice((-1.0, 1.0))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    matrix = scale * turn @ np.diag((flip * stretch, 1 / stretch))
    centre = np.full(2, (size - 1) / 2)
    shift = centre - matrix @ centre + rng.uniform(-SHIFT, SHIFT, 2) * size
    affine = np.column_stack((matrix, shift))
    # Mirrored borders keep the texture of skin; the mask is mirrored too, and empty where they are black.
    black = ranges.black_border and scale < 1 and rng.random() < ranges.black_border
    border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REFLECT_101
    if scale < MIN_SMOOTH_SCALE:  # linear interpolation skips pixels: blur away what it would skip
        image = cv2.GaussianBlur(image, (0, 0), 0.5 / scale)
    image = cv2.warpAffine(image, affine, (size, size), borderMode=border)
    mask = cv2.warpAffine(mask, affine, (size, size), flags=cv2.INTER_NEAREST, borderMode=border)
    return image, mask


def recolour(rng: np.random.Generator, image: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Changes saturation, then contrast, brightness and colour balance by a look-up table per channel."""
    if ranges.saturation:
        saturation = 1 + rng.uniform(-ranges.saturation, ranges.saturation)
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
    contrast = 1 + rng.uniform(-ranges.contrast, ranges.contrast)
    levels = np.arange(256, dtype=np.float32) - 128
    gains = contrast * (1 + rng.uniform(-ranges.colour, ranges.colour, 3))
    offset = 128 + 255 * rng.uniform(-ranges.brightness, ranges.brightness)
    table = np.clip(levels[:, None] * gains + offset, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])


def add_hair(rng: np.random.Generator, image: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Draws dark hairs of one colour and several widths, in place."""
    size = len(image)
    colour = (np.array((70, 50, 40)) * rng.uniform(0.2, 1.2)).tolist()
    for _ in range(rng.integers(1, ranges.hairs + 1)):
        points = trace_hair(rng, size)
        width = 1 + int(rng.random() < size / 800)
        cv2.polylines(image, [points], False, colour, width, cv2.LINE_AA)
    return image


def trace_hair(rng: np.random.Generator, size: int) -> np.ndarray:
    """A quadratic Bezier curve across a square of `size` pixels: (16, 2) whole x and y."""
    along = np.linspace(0, 1, 16)[:, None]
    weights = np.hstack(((1 - along) ** 2, 2 * along * (1 - along), along**2))
    return np.rint(weights @ rng.uniform(-0.2, 1.2, (3, 2)) * size).astype(int)


def lose_detail(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blurs and compresses, as a poor camera does; the JPEG has red and blue swapped, here and back."""
    sigma = MAX_BLUR * len(image) * rng.random()
    image = cv2.GaussianBlur(image, (0, 0), max(sigma, 0.1))
    quality = int(rng.integers(MIN_JPEG_QUALITY, 96))
    _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)  # type: ignore[return-value]  # None: no image


def darken_corners(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Adds the dark ring of a dermoscope, an ellipse with a soft edge; the mask loses what it hides."""
    size = len(image)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    centre = rng.uniform(-0.1, 0.1, 2)
    radii = rng.uniform(0.85, 1.35, 2)
    distance = np.hypot(
        ((axis - centre[0]) / radii[0])[None], ((axis - centre[1]) / radii[1])[:, None]
    )
    light = np.clip((1 - distance) / rng.uniform(0.02, 0.3) + 1, rng.uniform(0, 0.2), 1)
    return (image * light[..., None]).astype(np.uint8), mask * (light > MIN_LIGHT)


def sharpen(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Sharpens as cameras do: adds a multiple of the detail that a blur takes away."""
    blurred = cv2.GaussianBlur(image, (0, 0), MAX_BLUR * len(image) * rng.uniform(0.3, 1))
    gain = MAX_SHARPENING * rng.random()
    return cv2.addWeighted(image, 1 + gain, blurred, -gain, 0)


def add_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Adds the noise of a sensor in poor light: Gaussian, for every pixel and channel."""
    deviation = MAX_NOISE * rng.random()
    noise = deviation * rng.standard_normal(image.shape, np.float32)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def keep_skin(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Fills the frame with one corner, mirrored: skin without a lesion, if the lesion is clear of it."""
    size = len(image)
    side = round(CORNER * size)
    turns = int(rng.integers(4))
    if np.rot90(mask, turns)[: side + size // 16, : side + size // 16].any():
        return image, mask
    corner = np.ascontiguousarray(np.rot90(image, turns)[:side, :side])
    rest = size - side
    filled = cv2.copyMakeBorder(corner, 0, rest, 0, rest, cv2.BORDER_REFLECT_101)
    return filled, np.zeros_like(mask)
