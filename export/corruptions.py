"""Image corruptions: poor focus, light, lens or transmission, to test how robust a model is.

They leave the true mask as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Corruption = Callable[[np.ndarray], np.ndarray]


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


CORRUPTIONS: dict[str, Corruption] = {
    "as they are": lambda image: image,
    "JPEG of quality 20": lambda image: compress(image, 20),
    "a quarter of the resolution": lambda image: lose_resolution(image, 0.25),
    "blurred by 1 % of the side": lambda image: blur(image, 0.01),
    "30 % darker": lambda image: scale_light(image, 0.7),
    "30 % lighter": lambda image: scale_light(image, 1.3),
    "warmer lamp": lambda image: tint(image, 1.15, 0.85),
    "colder lamp": lambda image: tint(image, 0.85, 1.15),
    "dark corners": darken_corners,
}
