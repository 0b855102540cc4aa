import cv2
import numpy as np
import pytest

from export.corruptions import CORRUPTIONS
from training.synthetic.lesion import make_lesion

REFRAMED = {name for name in CORRUPTIONS if name.startswith(("zoomed", "cut"))}


def make_pair() -> tuple[np.ndarray, np.ndarray]:
    image, mask = make_lesion(np.random.default_rng(3), 90, 120)
    return image, mask > 0


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_makes_another_image_and_always_the_same(name: str) -> None:
    image, mask = make_pair()
    before = image.copy(), mask.copy()
    worse, lesion = CORRUPTIONS[name](image, mask)
    assert worse.dtype == np.uint8 and worse.ndim == 3 and lesion.dtype == bool
    assert worse.shape[:2] == lesion.shape
    assert np.array_equal(image, before[0]) and np.array_equal(mask, before[1])
    assert np.array_equal(worse, image) == (name == "as they are")
    assert np.array_equal(lesion, mask) == (name not in REFRAMED)
    again, _ = CORRUPTIONS[name](image, mask)
    assert np.array_equal(again, worse)


def test_light_and_corners_change_as_they_are_named() -> None:
    grey, mask = np.full((60, 80, 3), 100, np.uint8), np.zeros((60, 80), bool)
    assert CORRUPTIONS["30 % darker"](grey, mask)[0].max() == 70
    assert CORRUPTIONS["30 % lighter"](grey, mask)[0].min() == 130
    red, green, blue = CORRUPTIONS["warmer lamp"](grey, mask)[0][0, 0]
    assert red > green > blue
    corners = CORRUPTIONS["dark corners"](grey, mask)[0]
    assert corners[0, 0].max() < 10 and (corners[30, 40] == 100).all()


def test_noise_and_hairs_are_as_many_as_they_say() -> None:
    grey, mask = np.full((190, 190, 3), 128, np.uint8), np.zeros((190, 190), bool)
    noisy = CORRUPTIONS["noise of 15 levels"](grey, mask)[0]
    assert noisy.std() == pytest.approx(15, rel=0.05) and abs(noisy.mean() - 128) < 0.5
    hairy = CORRUPTIONS["30 hairs"](grey, mask)[0]
    assert 0.05 < (hairy < 100).any(axis=2).mean() < 0.4


@pytest.mark.parametrize("around", ["black", "skin"])
def test_the_lesion_moves_with_its_mask(around: str) -> None:
    """What the mask says is lesion is dark, at half the size, in the middle."""
    mask = np.zeros((91, 120), np.uint8)
    cv2.circle(mask, (60, 45), 30, 1, -1)
    image = np.where(mask[..., None] > 0, 40, 200).astype(np.uint8).repeat(3, axis=2)
    small, lesion = CORRUPTIONS[f"zoomed out to half, {around} around"](image, mask > 0)
    assert small.shape == image.shape
    assert lesion.sum() == pytest.approx(mask.sum() / 4, rel=0.05)
    inside = cv2.erode(lesion.astype(np.uint8), np.ones((3, 3))) > 0
    assert (small[inside] == 40).all()
    edge = small[[0, -1]]
    assert (edge == 0).all() if around == "black" else (edge > 190).all()


def test_the_middle_is_kept() -> None:
    image, mask = make_pair()
    middle, lesion = CORRUPTIONS["cut to the middle 70 % of the sides"](image, mask)
    assert middle.shape == (62, 84, 3)
    assert np.array_equal(middle, image[14:76, 18:102])
    assert np.array_equal(lesion, mask[14:76, 18:102])
