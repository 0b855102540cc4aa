"""Image corruptions: poor focus, light, lens, framing or transmission, to test how robust a model is.

Images are (H, W, 3) uint8 RGB, true masks (H, W) bool. What is drawn at random depends on the image.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import cv2
import numpy as np

from training.data.changes import trace_hair

Sample = tuple[np.ndarray, np.ndarray]
Corruption = Callable[[np.ndarray, np.ndarray], Sample]  # of an image and its true mask

HAIR = (60, 45, 35)  # RGB
PAINTED = 6  # pixels around a lesion that are painted out with it


def scale_light(image: np.ndarray, gain: float) -> np.ndarray:
    """Multiplies the values of an image, (H, W, 3) uint8, and clips them."""
    return cv2.convertScaleAbs(image, alpha=gain)


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Compresses an RGB image as JPEG of a quality from 1 to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]


def lose_resolution(image: np.ndarray, share: float) -> np.ndarray:
    """Shrinks each side to `share` of its pixels and enlarges it again."""
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def blur(image: np.ndarray, share: float) -> np.ndarray:
    """Defocus: a Gaussian blur with a standard deviation of `share` of the height."""
    return cv2.GaussianBlur(image, (0, 0), share * len(image))


def tint(image: np.ndarray, red: float, blue: float) -> np.ndarray:
    """Another white balance: gains of the red and the blue channel of an RGB image."""
    return np.clip(image * (red, 1, blue), 0, 255).astype(np.uint8)


def darken_corners(image: np.ndarray) -> np.ndarray:
    """The dark corners that a dermoscope's round field of view leaves, beyond 1.1 times half a side."""
    height, width = image.shape[:2]
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    light = np.clip((1.1 - np.hypot(rows, columns)) / 0.05 + 1, 0.05, 1)
    return (image * light[..., None]).astype(np.uint8)


def seed_of(image: np.ndarray) -> np.random.Generator:
    """Random numbers that are always the same for an image."""
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(image).data))


def draw_hairs(image: np.ndarray, count: int) -> np.ndarray:
    """Draws so many dark hairs, each about a 190th of the height wide."""
    rng, height = seed_of(image), len(image)
    image = image.copy()
    for _ in range(count):
        points = trace_hair(rng, max(image.shape[:2]))
        cv2.polylines(image, [points], False, HAIR, max(1, round(height / 190)), cv2.LINE_AA)
    return image


def add_noise(image: np.ndarray, levels: float) -> np.ndarray:
    """Adds Gaussian noise with a standard deviation of so many levels, to every pixel and channel."""
    noise = levels * seed_of(image).standard_normal(image.shape, np.float32)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def zoom_out(image: np.ndarray, mask: np.ndarray, skin: bool) -> Sample:
    """Shrinks both to half, in the middle of skin or of black.

    The skin is that of the image itself, its lesion painted over (Telea 2004), mirrored at the edges.
    """
    height, width = mask.shape
    shape = width // 2, height // 2
    small = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    lesion = cv2.resize(mask.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST)
    top, left = (height - shape[1]) // 2, (width - shape[0]) // 2
    bottom, right = height - shape[1] - top, width - shape[0] - left
    around = np.zeros_like(image)
    if skin:
        hole = cv2.dilate(lesion, np.ones((2 * PAINTED + 1, 2 * PAINTED + 1), np.uint8))
        bare = cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA)
        around = cv2.copyMakeBorder(bare, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    around[top : height - bottom, left : width - right] = small
    return around, np.pad(lesion > 0, ((top, bottom), (left, right)))


def cut_centre(image: np.ndarray, mask: np.ndarray, share: float) -> Sample:
    """Keeps `share` of the sides, around the centre."""
    rows, columns = (round((1 - share) / 2 * side) for side in mask.shape)
    height, width = mask.shape
    inside = np.s_[rows : height - rows, columns : width - columns]
    return image[inside].copy(), mask[inside].copy()


def keep_mask(change: Callable[[np.ndarray], np.ndarray]) -> Corruption:
    """A corruption of the image that leaves the mask as it is."""
    return lambda image, mask: (change(image), mask)


CORRUPTIONS: dict[str, Corruption] = {
    "as they are": lambda image, mask: (image, mask),
    "JPEG of quality 20": keep_mask(lambda image: compress(image, 20)),
    "a quarter of the resolution": keep_mask(lambda image: lose_resolution(image, 0.25)),
    "blurred by 1 % of the side": keep_mask(lambda image: blur(image, 0.01)),
    "30 % darker": keep_mask(lambda image: scale_light(image, 0.7)),
    "30 % lighter": keep_mask(lambda image: scale_light(image, 1.3)),
    "warmer lamp": keep_mask(lambda image: tint(image, 1.15, 0.85)),
    "colder lamp": keep_mask(lambda image: tint(image, 0.85, 1.15)),
    "dark corners": keep_mask(darken_corners),
    "30 hairs": keep_mask(lambda image: draw_hairs(image, 30)),
    "noise of 15 levels": keep_mask(lambda image: add_noise(image, 15)),
    "zoomed out to half, black around": lambda image, mask: zoom_out(image, mask, skin=False),
    "zoomed out to half, skin around": lambda image, mask: zoom_out(image, mask, skin=True),
    "cut to the middle 70 % of the sides": lambda image, mask: cut_centre(image, mask, 0.7),
}
