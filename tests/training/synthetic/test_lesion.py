from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.synthetic.lesion import make_lesion


def lesions(count: int, height: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [make_lesion(np.random.default_rng([0, i]), height, width) for i in range(count)]


@pytest.mark.parametrize(("height", "width"), [(192, 256), (64, 64), (200, 90)])
def test_mask_is_one_region_without_holes(height: int, width: int) -> None:
    for image, mask in lesions(40, height, width):
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        assert mask.shape == (height, width) and mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        assert 0.005 < np.mean(mask > 0) < 0.95
        background_and_lesion = 2
        assert cv2.connectedComponents(mask, connectivity=4)[0] == background_and_lesion
        # A frame of skin joins the pieces into which a lesion cut off by the border divides it.
        skin = np.pad(255 - mask, 1, constant_values=255)
        assert cv2.connectedComponents(skin, connectivity=8)[0] == background_and_lesion


def test_lesion_is_darker_than_the_skin_around_it() -> None:
    contrasts = []
    for image, mask in lesions(40, 192, 256):
        around = (cv2.dilate(mask, np.ones((21, 21), np.uint8)) > 0) & (mask == 0)
        contrasts.append(image[around].mean() - image[mask > 0].mean())
    assert min(contrasts) > 10
    assert np.mean(contrasts) > 50


def test_skin_is_light_and_dark_and_lesions_small_and_large() -> None:
    made = lesions(40, 96, 128)
    tones = [np.median(image[mask == 0]) for image, mask in made]
    areas = [np.mean(mask > 0) for _, mask in made]
    assert min(tones) < 120 and max(tones) > 190
    assert min(areas) < 0.04 and max(areas) > 0.4


def test_the_lesion_lies_clear_of_dark_corners() -> None:
    for image, mask in lesions(40, 96, 128):
        edge = (cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0) & (mask == 0)
        assert np.mean(image[edge].max(axis=-1) < 40) < 0.05
