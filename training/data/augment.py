"""Data augmentation: random changes of an image and its mask together.

Images are (S, S, 3) uint8 RGB, masks (S, S) uint8, 0 or 1, going in and coming out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

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

Augmentation = Callable[[np.random.Generator, np.ndarray, np.ndarray], Sample]
BLUR_SHARE, VIGNETTE_SHARE = 0.2, 0.25  # of the images with a poor camera, with a dark ring


class Strength(NamedTuple):
    """How far an augmentation goes.

    Attributes:
        ranges: of the changes that every image gets.
        hair, skin, sharp, noise: shares of the images with drawn hairs, without the lesion, sharpened,
            and noisy. What is 0 draws no random number.
    """

    ranges: Ranges
    hair: float
    skin: float = 0.0
    sharp: float = 0.0
    noise: float = 0.0


STRONG = Strength(Ranges((0.7, 1.5), 1.15, 0.0, 0.15, 0.2, 0.08, 0.0, 12), hair=0.15)
# Further: small lesions, black borders, many hairs, noise, bare skin.
WIDE = Strength(
    Ranges((0.35, 1.6), 1.35, 0.3, 0.2, 0.3, 0.1, 0.4, 40),
    hair=0.3,
    skin=0.04,
    sharp=0.15,
    noise=0.25,
)


def augment(
    strength: Strength, rng: np.random.Generator, image: np.ndarray, mask: np.ndarray
) -> Sample:
    """Moves, recolours and degrades an image, and moves its mask along."""

    def chance(share: float) -> bool:
        return share > 0 and rng.random() < share

    if chance(strength.skin):
        image, mask = keep_skin(rng, image, mask)
    image, mask = move(rng, image, mask, strength.ranges)
    image = recolour(rng, image, strength.ranges)
    if chance(strength.hair):
        image = add_hair(rng, image, strength.ranges)
    if chance(strength.sharp):
        image = sharpen(rng, image)
    if chance(BLUR_SHARE):
        image = lose_detail(rng, image)
    if chance(VIGNETTE_SHARE):
        image, mask = darken_corners(rng, image, mask)
    if chance(strength.noise):
        image = add_noise(rng, image)
    return image, mask


def keep(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> Sample:
    """Changes nothing."""
    return image, mask


AUGMENTATIONS: dict[str, Augmentation] = {
    "strong": partial(augment, STRONG),
    "wide": partial(augment, WIDE),
    "reference": augment_like_reference,
    "none": keep,
}
if TYPE_CHECKING:
    AugmentationName = str
else:
    AugmentationName = Literal[tuple(AUGMENTATIONS)]  # the choices of the command line
