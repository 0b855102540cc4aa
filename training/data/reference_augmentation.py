"""The augmentation of the published training."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.changes import Sample

REFERENCE_SHARE = 0.4  # of the images: the reference leaves the others as they are


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
