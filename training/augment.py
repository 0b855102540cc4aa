"""Random changes of an image and its mask together, in OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

ROTATION = 180.0  # degrees; a dermoscopic image has no upright
SCALE = (0.75, 1.3)
STRETCH = 1.15  # ratio of the sides: frames of any aspect ratio are squashed to a square
SHIFT = 0.08  # of the side
BRIGHTNESS, CONTRAST, COLOUR = 0.15, 0.2, 0.06
VIGNETTE = 0.25  # probability of a dark ring
HIDDEN = 0.25  # share of the light below which an outline cannot be seen


def augment(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves, turns and recolours an image, and moves its mask along.

    Args:
        rng: the source of all chance: the same state gives the same result.
        image: (S, S, 3) uint8 RGB.
        mask: (S, S) uint8, 0 or 1.

    Returns:
        Image and mask of the same shapes and types.
    """
    image, mask = move(rng, image, mask)
    image = recolour(rng, image)
    if rng.random() < VIGNETTE:
        image, mask = darken_corners(rng, image, mask)
    return image, mask


def move(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Flip, rotation, scale, stretch and shift, as one affine warp: one interpolation."""
    size = len(image)
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION))
    scale = np.exp(rng.uniform(*np.log(SCALE)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(STRETCH) / 2)
    flip = rng.choice((-1.0, 1.0))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    matrix = scale * turn @ np.diag((flip * stretch, 1 / stretch))
    centre = np.full(2, (size - 1) / 2)
    shift = centre - matrix @ centre + rng.uniform(-SHIFT, SHIFT, 2) * size
    affine = np.column_stack((matrix, shift))
    # Mirrored borders keep skin texture; the mask is mirrored with them.
    image = cv2.warpAffine(image, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    mask = cv2.warpAffine(
        mask, affine, (size, size), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )
    return image, mask


def recolour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Contrast, brightness and balance of the channels: one look-up table each."""
    contrast = 1 + rng.uniform(-CONTRAST, CONTRAST)
    levels = np.arange(256, dtype=np.float32) - 128
    gains = contrast * (1 + rng.uniform(-COLOUR, COLOUR, 3))
    offset = 128 + 255 * rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    table = np.clip(levels[:, None] * gains + offset, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])


def darken_corners(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The dark ring of a dermoscope's tube: an ellipse with a soft edge; what it hides is no lesion."""
    size = len(image)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    centre = rng.uniform(-0.1, 0.1, 2)
    radii = rng.uniform(0.85, 1.35, 2)
    distance = np.hypot(
        ((axis - centre[0]) / radii[0])[None], ((axis - centre[1]) / radii[1])[:, None]
    )
    light = np.clip((1 - distance) / rng.uniform(0.02, 0.3) + 1, rng.uniform(0, 0.2), 1)
    return (image * light[..., None]).astype(np.uint8), mask * (light > HIDDEN)
