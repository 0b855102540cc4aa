"""Paints dermoscopic images of made-up lesions, with exact masks.

Colour is that of skin: melanin and blood absorb light (Beer-Lambert), and a lesion has more of either
inside an irregular outline. Veil, hair, gel, ruler, lamp and camera come on top and leave the mask alone.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from training.synthetic.fields import Shape, cells, furrows, noise, ramp
from training.synthetic.scene import (
    ABSORPTION,
    TISSUE,
    blend,
    draw_bubbles,
    draw_hair,
    draw_ruler,
    illuminate,
    take_photo,
)

VEIL = np.array([0.43, 0.45, 0.50], np.float32)  # colour of pigment that lies deep in the skin


def make_lesion(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Paints one lesion on skin; `rng` in the same state gives the same bytes.

    Returns:
        image: (height, width, 3) uint8 RGB.
        mask: (height, width) uint8, 255 in the lesion, else 0; one region without holes.
    """
    mask = draw_outline(rng, (height, width))
    melanin, blood = paint_skin(rng, (height, width))
    more_melanin, more_blood, veil = paint_lesion(rng, mask)
    pigment = cv2.merge([melanin + more_melanin, blood + more_blood])
    absorption = ABSORPTION * rng.normal(1, 0.07, (3, 2)).astype(np.float32)
    image = TISSUE * cv2.exp(-cv2.transform(pigment, absorption))
    image = blend(image, veil, VEIL)
    for draw in (draw_hair, draw_bubbles, draw_ruler):
        image = draw(rng, image)
    return take_photo(rng, illuminate(rng, image, mask)), mask


def draw_outline(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draws the outline of a lesion of one to three lobes, filled: (H, W) uint8, 0 or 255."""
    radius = min(shape) * 10 ** rng.uniform(-1.15, -0.26)
    middle = [n / 2 + rng.uniform(-0.6, 0.6) * max(0.05 * n, n / 2 - 1.3 * radius) for n in shape]
    rows, columns = np.indices(shape, np.float32)
    field = np.full(shape, -np.inf, np.float32)
    for lobe in range(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])):
        reach = radius * (rng.uniform(0.4, 0.8) if lobe else 1)
        y, x = (n + (rng.uniform(-0.75, 0.75) * radius if lobe else 0) for n in middle)
        angle, stretch = rng.uniform(0, math.pi), math.sqrt(rng.uniform(1, 1.8))
        along = (columns - x) * math.cos(angle) + (rows - y) * math.sin(angle)
        across = (rows - y) * math.cos(angle) - (columns - x) * math.sin(angle)
        field = np.maximum(field, 1 - cv2.magnitude(along / stretch, across * stretch) / reach)
    field += rng.uniform(0.03, 0.14) * noise(rng, shape, 0.8 * radius)
    field += 0.08 * rng.beta(1, 1.5) * noise(rng, shape, 0.3 * radius, octaves=3)
    region = cv2.medianBlur((field > 0).astype(np.uint8), 5)
    _, owner, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=4)
    largest = (owner == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(largest, contours, -1, 255, cv2.FILLED)


def paint_skin(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Melanin and blood of healthy skin, from light to dark: (H, W) float32 each."""
    scale = min(shape) / 384
    texture = noise(rng, shape, 6 * scale, octaves=2)
    for _ in range(2):
        texture += rng.uniform(0, 0.7) * furrows(rng, shape, rng.uniform(2.5, 5) * scale)
    tone = 0.05 + 0.9 * rng.beta(0.7, 1.8)
    melanin = tone * (1 + 0.07 * noise(rng, shape, 60 * scale, octaves=3))
    melanin += rng.uniform(0.004, 0.02) * texture
    blood = 0.35 * rng.beta(1, 2) + rng.uniform(0.02, 0.06) * noise(rng, shape, 80 * scale, 4)
    if rng.random() < 0.25:  # freckles and pores
        distance, _ = cells(rng, shape, rng.uniform(25, 45) * scale)
        spots = ramp(0.08 * noise(rng, shape, 15 * scale) - distance, -0.2, 0)
        melanin += rng.uniform(0.1, 0.3) * spots * ramp(noise(rng, shape, 50 * scale), -0.5, 1.5)
    if rng.random() < 0.4:  # fine vessels, along the zero level of a noise
        vessels = np.exp(-((noise(rng, shape, 40 * scale, octaves=3) / 0.12) ** 2))
        blood += rng.uniform(0.05, 0.2) * vessels * ramp(noise(rng, shape, 90 * scale), 0, 1)
    return melanin, blood


def paint_lesion(
    rng: np.random.Generator, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Melanin and blood that a lesion adds, and its veil (0 to 1): (H, W) float32 each."""
    shape = mask.shape
    size = math.sqrt(np.count_nonzero(mask))
    inside, outside = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (mask, 255 - mask))
    fade = 10 ** rng.uniform(-1.5, -0.7) * size * np.exp(0.4 * noise(rng, shape, 0.5 * size))
    depth = (inside - outside) / fade + 0.17 * noise(rng, shape, 0.1 * size, octaves=3)
    body = ramp(depth, -0.2, 0.9)  # mostly inside: readers outline a lesion at its faint edge
    red = rng.random() < 0.15
    melanin = rng.uniform(0.1, 0.3) if red else 10 ** rng.uniform(-0.4, 0.25)
    blood = rng.uniform(0.5, 1.0) if red else 0.25 * rng.beta(1, 2)
    pigment = body * vary_tones(rng, shape, size, red)
    veil = np.zeros_like(body)
    if not red and rng.random() < 0.2:
        patch = ramp(noise(rng, shape, 0.4 * size, octaves=4), -0.3, 2)
        veil = rng.uniform(0.35, 0.75) * patch * ramp(depth, 0, 2)
    return melanin * pigment, blood * pigment, veil


def vary_tones(rng: np.random.Generator, shape: Shape, size: float, red: bool) -> np.ndarray:
    """Relative pigment of a lesion of `size` pixels across: patches, and dots or a network.

    Returns:
        (H, W) float32, 0.4 to 3, about 1.
    """
    tones = 1 + rng.uniform(0.1, 0.3) * noise(rng, shape, 0.3 * size, octaves=4)
    tones += 0.08 * noise(rng, shape, 4, octaves=2)
    tones += rng.uniform(0, 1.2) * ramp(noise(rng, shape, 0.4 * size, octaves=3), 0, 1.5)
    tones -= rng.uniform(0, 0.5) * ramp(noise(rng, shape, 0.4 * size, octaves=3), 0.5, 2)
    distance, mesh = cells(rng, shape, max(5.0, min(shape) / 384 * rng.uniform(6, 13)))
    where = ramp(noise(rng, shape, 0.3 * size, octaves=4), -1, 0.7)
    structure = rng.choice(["dots", "network", "none"], p=[0.35, 0.45, 0.2])
    if structure == "dots":
        varied = distance + 0.15 * noise(rng, shape, 0.1 * size)
        tones += rng.uniform(0.4, 1.0) * where * ramp(-varied, -0.4, -0.1)
    elif structure == "network" and not red:
        tones += rng.uniform(0.5, 1.4) * where * (mesh - 0.4)
    return np.clip(tones, 0.4, 3)
