"""Data augmentation: random changes of an image and its mask together, in OpenCV.

Every function takes its random generator first; the same state gives the same result. Images are
(S, S, 3) uint8 RGB, masks (S, S) uint8, 0 or 1, going in and coming out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

ROTATION = 180.0  # degrees; a dermoscopic image has no upright
SCALE = (0.7, 1.5)
STRETCH = 1.15  # ratio of the sides: frames of any aspect ratio are squashed to a square
SHIFT = 0.08  # of the side
BRIGHTNESS, CONTRAST, COLOUR = 0.15, 0.2, 0.08
# Probabilities of a dark ring, of hair, of a poor camera.
VIGNETTE_SHARE, HAIR_SHARE, BLUR_SHARE = 0.25, 0.15, 0.2
MIN_LIGHT = 0.25  # share of the light below which an outline cannot be seen
MAX_HAIRS = 12
MAX_BLUR = 0.01  # standard deviation, as a share of the side
MIN_JPEG_QUALITY = 30  # of 100

REFERENCE_SHARE = 0.4  # of the images: the reference leaves the others as they are

Sample = tuple[np.ndarray, np.ndarray]  # image and mask
Augmentation = Callable[[np.random.Generator, np.ndarray, np.ndarray], Sample]


def augment_strongly(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Moves, recolours and degrades an image, and moves its mask along."""
    image, mask = move(rng, image, mask)
    image = recolour(rng, image)
    if rng.random() < HAIR_SHARE:
        image = add_hair(rng, image)
    if rng.random() < BLUR_SHARE:
        image = lose_detail(rng, image)
    if rng.random() < VIGNETTE_SHARE:
        image, mask = darken_corners(rng, image, mask)
    return image, mask


def move(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Flips, rotates, scales, stretches and shifts in one affine warp, so with one interpolation."""
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
    # Mirrored borders keep the texture of skin; the mask is mirrored too.
    image = cv2.warpAffine(image, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    mask = cv2.warpAffine(
        mask, affine, (size, size), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )
    return image, mask


def recolour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Changes contrast, brightness and colour balance by one look-up table per channel."""
    contrast = 1 + rng.uniform(-CONTRAST, CONTRAST)
    levels = np.arange(256, dtype=np.float32) - 128
    gains = contrast * (1 + rng.uniform(-COLOUR, COLOUR, 3))
    offset = 128 + 255 * rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    table = np.clip(levels[:, None] * gains + offset, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])


def add_hair(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Draws dark hairs: quadratic Bezier curves of one colour and several widths, in place."""
    size = len(image)
    along = np.linspace(0, 1, 16)[:, None]
    weights = np.hstack(((1 - along) ** 2, 2 * along * (1 - along), along**2))
    colour = (np.array((70, 50, 40)) * rng.uniform(0.2, 1.2)).tolist()
    for _ in range(rng.integers(1, MAX_HAIRS + 1)):
        points = weights @ rng.uniform(-0.2, 1.2, (3, 2)) * size
        width = 1 + int(rng.random() < size / 800)
        cv2.polylines(image, [np.rint(points).astype(int)], False, colour, width, cv2.LINE_AA)
    return image


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


def augment_like_reference(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Augments as the published training does (LeeJunHyun/Image_Segmentation, data_loader.py).

    It scales an image to a side of 300..320, rotates it by a multiple of 90 degrees and by -10..10, crops
    the centre of 250..270, cuts up to 20 pixels off each border, flips, and jitters the colours. Here the
    moves are one affine warp with one interpolation, and the image is square from the start.
    """
    if rng.random() > REFERENCE_SHARE:
        return image, mask
    size = len(image)
    scaled = rng.integers(300, 321)
    angle = np.deg2rad(90 * rng.integers(4) + rng.integers(-10, 11))
    crop = rng.integers(250, 271)
    left, upper = rng.integers(0, 21, 2)
    right, lower = crop - rng.integers(0, 21, 2)
    # From pixels of the result back to pixels of the image: out of the crop, rotated, scaled.
    out_of_crop = np.array([[(right - left) / size, 0, left], [0, (lower - upper) / size, upper]])
    if rng.random() < 0.5:
        out_of_crop[0] = -out_of_crop[0, 0], 0, right
    if rng.random() < 0.5:
        out_of_crop[1] = 0, -out_of_crop[1, 1], lower
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) * size / scaled
    affine = turn @ out_of_crop
    affine[:, 2] += size / 2 - turn @ (crop / 2, crop / 2)
    # So far the centre of the first pixel was at 1/2; OpenCV has it at 0.
    affine[:, 2] += affine[:, :2] @ (0.5, 0.5) - 0.5
    sides = (size, size)
    image = cv2.warpAffine(image, affine, sides, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    mask = cv2.warpAffine(mask, affine, sides, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return jitter(rng, image), mask


def jitter(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Acts as torchvision's ColorJitter(brightness=0.2, contrast=0.2, hue=0.02), in random order."""
    brightness, contrast = rng.uniform(0.8, 1.2, 2)
    hue = round(255 * rng.uniform(-0.02, 0.02))
    for change in rng.permutation(3):
        if change == 0:
            image = cv2.convertScaleAbs(image, alpha=brightness)
        elif change == 1:
            grey = round(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0])
            table = np.clip((np.arange(256) - grey) * contrast + grey, 0, 255).astype(np.uint8)
            image = cv2.LUT(image, table)
        else:
            turned = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
            channels = list(cv2.split(turned))
            channels[0] = channels[0] + np.uint8(hue % 256)  # hues wrap around at 256
            image = cv2.cvtColor(cv2.merge(channels), cv2.COLOR_HSV2RGB_FULL)
    return image


def keep(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Changes nothing."""
    return image, mask


AUGMENTATIONS: dict[str, Augmentation] = {
    "strong": augment_strongly,
    "reference": augment_like_reference,
    "none": keep,
}
if TYPE_CHECKING:
    AugmentationName = str
else:
    AugmentationName = Literal[tuple(AUGMENTATIONS)]  # the choices of the command line
