"""Data augmentation: random changes of an image and its mask together.

Images are (S, S, 3) uint8 RGB, masks (S, S) uint8, 0 or 1, going in and coming out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from training.data.changes import (
    Ranges,
    Sample,
    add_hair,
    add_noise,
    darken_corners,
    keep_skin,
    lose_detail,
    move,
    recolour,
    sharpen,
)
from training.data.reference_augmentation import augment_like_reference

STRONG = Ranges((0.7, 1.5), 1.15, 0.0, 0.15, 0.2, 0.08, 0.0, 12)
WIDE = Ranges((0.35, 1.6), 1.35, 0.3, 0.2, 0.3, 0.1, 0.4, 40)
# Shares of the images with a dark ring, with hair, of a poor camera.
VIGNETTE_SHARE, HAIR_SHARE, BLUR_SHARE = 0.25, 0.15, 0.2
# The same for the wide augmentation, and of skin without a lesion, sharpened, noisy.
WIDE_HAIR_SHARE, SKIN_SHARE, SHARP_SHARE, NOISE_SHARE = 0.3, 0.04, 0.15, 0.25

Augmentation = Callable[[np.random.Generator, np.ndarray, np.ndarray], Sample]


def augment_strongly(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Moves, recolours and degrades an image, and moves its mask along."""
    image, mask = move(rng, image, mask, STRONG)
    image = recolour(rng, image, STRONG)
    if rng.random() < HAIR_SHARE:
        image = add_hair(rng, image, STRONG)
    if rng.random() < BLUR_SHARE:
        image = lose_detail(rng, image)
    if rng.random() < VIGNETTE_SHARE:
        image, mask = darken_corners(rng, image, mask)
    return image, mask


def augment_widely(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """As `augment_strongly`, but further: small lesions, black borders, many hairs, noise, bare skin."""
    if rng.random() < SKIN_SHARE:
        image, mask = keep_skin(rng, image, mask)
    image, mask = move(rng, image, mask, WIDE)
    image = recolour(rng, image, WIDE)
    if rng.random() < WIDE_HAIR_SHARE:
        image = add_hair(rng, image, WIDE)
    if rng.random() < SHARP_SHARE:
        image = sharpen(rng, image)
    if rng.random() < BLUR_SHARE:
        image = lose_detail(rng, image)
    if rng.random() < VIGNETTE_SHARE:
        image, mask = darken_corners(rng, image, mask)
    if rng.random() < NOISE_SHARE:
        image = add_noise(rng, image)
    return image, mask


def keep(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Changes nothing."""
    return image, mask


AUGMENTATIONS: dict[str, Augmentation] = {
    "strong": augment_strongly,
    "wide": augment_widely,
    "reference": augment_like_reference,
    "none": keep,
}
if TYPE_CHECKING:
    AugmentationName = str
else:
    AugmentationName = Literal[tuple(AUGMENTATIONS)]  # the choices of the command line
