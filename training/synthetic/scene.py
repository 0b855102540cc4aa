"""What lies between a lesion and its photo: hair, gel, a ruler, the lamp, the camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from training.synthetic.fields import noise, ramp

# Red, green and blue: absorbed by one unit of (melanin, blood); of tissue without either.
ABSORPTION = np.array([[0.48, 0.12], [0.98, 0.72], [1.40, 0.62]], np.float32)
TISSUE = np.array([0.94, 0.92, 0.92], np.float32)


def blend(image: np.ndarray, cover: np.ndarray, colour: np.ndarray | float) -> np.ndarray:
    """Blends `colour` into an image (H, W, 3), with the opacity `cover` (H, W), 0 to 1."""
    return image + cover[..., None] * (colour - image) if cover.any() else image


def draw_hair(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Draws no, some or many curved, tapering hairs over an image (H, W, 3), 0 to 1."""
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    along = np.linspace(0, 1, 24)
    direction, thickness = rng.uniform(0, 2 * math.pi), min(height, width) / 384
    for _ in range(rng.integers(0, rng.choice([1, 8, 40], p=[0.5, 0.3, 0.2]))):
        bend = rng.normal(0, 1.0) * along + rng.normal(0, 1.2) * along**2
        angle = direction + rng.normal(0, 0.6) + bend
        ahead = np.stack([np.cos(angle), np.sin(angle)], 1)
        spine = rng.uniform(-0.1, 1.1, 2) * (width, height)
        spine = spine + rng.uniform(0.2, 0.9) * width / along.size * np.cumsum(ahead, 0)
        side = ahead[:, ::-1] * (-1, 1) * np.sqrt(1 - along)[:, None]
        side *= thickness * rng.uniform(0.4, 1.1)
        edge = np.concatenate([spine + side, (spine - side)[::-1]])
        cv2.fillPoly(layer, [(edge * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    darkness = float(rng.choice([0.8, 1.8, 2.6], p=[0.2, 0.3, 0.5]))
    colour = TISSUE * np.exp(-darkness * ABSORPTION[:, 0])
    return blend(image, layer * np.float32(rng.uniform(0.5, 0.9) / 255), colour)


def draw_bubbles(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Draws, in a third of cases, gel bubbles over an image (H, W, 3), 0 to 1."""
    height, width = image.shape[:2]
    dark, bright = np.zeros((2, height, width), np.uint8)
    for _ in range(rng.integers(2, 14) if rng.random() < 0.35 else 0):
        x, y = int(rng.uniform(0, 16) * width), int(rng.uniform(0, 16) * height)
        radius = int(0.1 * min(height, width) * 12 ** rng.uniform(0, 1) ** 3)
        glint = x - radius // 3, y - radius // 3
        cv2.circle(dark, (x, y), radius, 255, 1, cv2.LINE_AA, shift=4)
        cv2.circle(bright, (x, y), max(radius - 20, 8), 255, 1, cv2.LINE_AA, shift=4)
        cv2.circle(bright, glint, radius // 5, 255, cv2.FILLED, cv2.LINE_AA, shift=4)
    strength = np.float32(rng.uniform(0.15, 0.4) / 255)
    return blend(blend(image, dark * strength, 0.0), bright * (1.5 * strength), 1.0)


def draw_ruler(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Draws, in a quarter of cases, a ruler near the border of an image (H, W, 3), 0 to 1."""
    if rng.random() > 0.25:
        return image
    height, width = image.shape[:2]
    angle = rng.integers(4) * math.pi / 2 + rng.normal(0, 0.15)
    along = np.array([math.cos(angle), math.sin(angle)])
    inward = np.array([math.sin(angle), -math.cos(angle)])
    origin = (0.5 - rng.uniform(0.38, 0.46) * inward) * (width, height)
    tick = rng.uniform(0.02, 0.05) * min(height, width)
    place = np.arange(-10, 11)[:, None]
    feet = origin + place * tick * along
    tips = feet + np.where(place % 5, 0.4, 0.8) * tick * inward
    lines = np.concatenate([np.stack([feet, tips], 1), feet[None, [0, -1]]])
    layer = np.zeros((height, width), np.uint8)
    cv2.polylines(layer, list((lines * 16).astype(np.int32)), False, 255, 1, cv2.LINE_AA, shift=4)
    return blend(image, layer * np.float32(rng.uniform(0.5, 0.9) / 255), rng.uniform(0, 0.25))


def illuminate(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lights an image (H, W, 3) unevenly; in a third of cases with dark corners around a round field."""
    height, width = mask.shape
    rows, columns = np.indices(mask.shape, np.float32)
    rows -= height * rng.uniform(0.47, 0.53)
    columns -= width * rng.uniform(0.47, 0.53)
    distance = cv2.magnitude(rows, columns) * (2 / math.hypot(height, width))
    lamp = 1 - rng.uniform(0, 0.25) * distance**2
    lamp += rng.uniform(0, 0.06) * noise(rng, mask.shape, min(mask.shape))
    if rng.random() < 0.35:  # the rim stays clear of the lesion: the mask is not cut
        rim = max(rng.uniform(0.7, 0.95), float(distance[mask > 0].max()) + 0.03)
        lamp *= 1 - rng.uniform(0.7, 1.0) * ramp(distance, rim, rim + rng.uniform(0.03, 0.25))
    return image * lamp[..., None]


def take_photo(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Adds exposure, tint, grain and blur to an image (H, W, 3), about 0 to 1; gives uint8."""
    gain = rng.uniform(0.78, 1.1) * rng.normal(1, 0.03, 3)
    grain = rng.uniform(0.005, 0.03) * rng.standard_normal(image.shape[:2], np.float32)
    image = image * gain.astype(np.float32) + grain[..., None]
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.0))
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)
