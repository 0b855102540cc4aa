import numpy as np
import pytest

from export.conditions import CONDITIONS
from training.synthesize import make_lesion


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_makes_another_image_of_the_same_size(name: str) -> None:
    image, _ = make_lesion(np.random.default_rng(3), 90, 120)
    before = image.copy()
    worse = CONDITIONS[name](image)
    assert worse.shape == image.shape and worse.dtype == np.uint8
    assert np.array_equal(image, before)
    assert np.array_equal(worse, image) == (name == "as they are")


def test_light_and_corners_change_as_they_are_named() -> None:
    grey = np.full((60, 80, 3), 100, np.uint8)
    assert CONDITIONS["30 % darker"](grey).max() == 70
    assert CONDITIONS["30 % lighter"](grey).min() == 130
    red, green, blue = CONDITIONS["warmer lamp"](grey)[0, 0]
    assert red > green > blue
    corners = CONDITIONS["dark corners"](grey)
    assert corners[0, 0].max() < 10 and (corners[30, 40] == 100).all()
