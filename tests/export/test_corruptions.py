import numpy as np
import pytest

from export.corruptions import CORRUPTIONS
from training.synthetic.lesion import make_lesion


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_condition_makes_another_image_of_the_same_size(name: str) -> None:
    image, _ = make_lesion(np.random.default_rng(3), 90, 120)
    before = image.copy()
    worse = CORRUPTIONS[name](image)
    assert worse.shape == image.shape and worse.dtype == np.uint8
    assert np.array_equal(image, before)
    assert np.array_equal(worse, image) == (name == "as they are")


def test_light_and_corners_change_as_they_are_named() -> None:
    grey = np.full((60, 80, 3), 100, np.uint8)
    assert CORRUPTIONS["30 % darker"](grey).max() == 70
    assert CORRUPTIONS["30 % lighter"](grey).min() == 130
    red, green, blue = CORRUPTIONS["warmer lamp"](grey)[0, 0]
    assert red > green > blue
    corners = CORRUPTIONS["dark corners"](grey)
    assert corners[0, 0].max() < 10 and (corners[30, 40] == 100).all()
