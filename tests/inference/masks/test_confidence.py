"""Doubt follows what is drawn: blurred outlines, small lesions, pictures of other things."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from inference.masks.confidence import (
    clipped_logit,
    describe_image,
    describe_outline,
    expect_jaccard,
    find_strangeness,
)

SIZE = 64
FIT = (-3.0, -1.7, 0.2)
STRANGE = (3.6, -2.0, 1.4, -4.2, 7.8)


def disc(radius: float, blur: float = 0.1) -> np.ndarray:
    """A probability map that is 0.5 at the radius, and falls the more slowly the larger `blur` is."""
    rows, columns = np.indices((SIZE, SIZE)) - SIZE / 2
    return (1 / (1 + np.exp((np.hypot(rows, columns) - radius) / blur))).astype(np.float32)


def expect(probability: np.ndarray) -> float:
    return expect_jaccard(probability, probability > 0.5, FIT)


def test_the_formula_on_a_map_that_can_be_reckoned_by_hand() -> None:
    probability = np.zeros((SIZE, SIZE), np.float32)
    probability[:16, :16] = 0.75
    inside = probability > 0.5
    assert describe_outline(probability, inside) == pytest.approx(
        (math.log(0.26), math.log(1 / 16))
    )
    odds = math.exp(-3.0 - 1.7 * math.log(0.26) + 0.2 * math.log(1 / 16))
    assert expect_jaccard(probability, inside, FIT) == pytest.approx(odds / (1 + odds))


def test_blurred_outlines_and_small_lesions_are_trusted_less() -> None:
    sharp, blurred, wide = (expect(disc(20, blur)) for blur in (0.3, 2, 6))
    assert sharp > blurred > wide
    assert expect(disc(20)) > expect(disc(5))


def test_it_is_always_a_share() -> None:
    assert expect(np.zeros((SIZE, SIZE), np.float32)) == 0
    for probability in (np.ones((SIZE, SIZE), np.float32), disc(20) * np.float32(1.0005)):
        assert 0 < expect(probability) <= 1  # float16 may round beyond 1
    full = np.ones((SIZE, SIZE), bool)
    for fit in ((900.0, 0.0, 0.0), (-900.0, 0.0, 0.0)):
        assert 0 <= expect_jaccard(np.ones((SIZE, SIZE), np.float32), full, fit) <= 1


def test_logits_end_before_certainty() -> None:
    assert clipped_logit(0.5) == 0
    assert clipped_logit(0) == clipped_logit(0.01) == -clipped_logit(1.0) < -3


def paint(colour: tuple[int, int, int], noise: float = 4) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.clip(colour + noise * rng.standard_normal((SIZE, SIZE, 3)), 0, 255).astype(np.uint8)


def test_what_an_image_is_described_by() -> None:
    inside = disc(10) > 0.5
    skin = paint((210, 170, 150))
    skin[inside] = (90, 60, 50)
    uneven, warm, flat = describe_image(skin, inside)
    assert uneven == 0 and warm == 1 and flat == 0
    assert describe_image(paint((80, 120, 200)), inside)[1] == 0  # blue
    assert describe_image(np.full((SIZE, SIZE, 3), 128, np.uint8), inside) == (
        0,
        0,
        pytest.approx(0.7),
    )
    stripes = paint((210, 170, 150))
    stripes[:, ::8] = 60
    assert describe_image(cv2.resize(stripes, (SIZE, SIZE)), inside)[0] > 0.3


def test_a_black_border_is_neither_cold_nor_uneven() -> None:
    skin = paint((210, 170, 150))
    inside = disc(10) > 0.5
    framed = skin.copy()
    framed[:8] = framed[-8:] = (5, 5, 8)
    assert describe_image(framed, inside)[:2] == pytest.approx(
        describe_image(skin, inside)[:2], abs=0.01
    )


@pytest.mark.parametrize("level", [0, 255])
def test_images_without_anything_in_them(level: int) -> None:
    for inside in (np.zeros((SIZE, SIZE), bool), np.ones((SIZE, SIZE), bool)):
        described = describe_image(np.full((SIZE, SIZE, 3), level, np.uint8), inside)
        assert all(map(math.isfinite, described))


def test_other_pictures_are_stranger_than_skin() -> None:
    inside = disc(10) > 0.5
    skin = paint((210, 170, 150))
    page = np.full((SIZE, SIZE, 3), 255, np.uint8)
    cv2.putText(page, "text", (4, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 1, cv2.LINE_AA)
    assert find_strangeness(skin, inside, 0.9, STRANGE) < 0
    assert find_strangeness(page, inside, 0.3, STRANGE) > 0
    assert find_strangeness(skin, inside, 0.1, STRANGE) > find_strangeness(
        skin, inside, 0.9, STRANGE
    )
