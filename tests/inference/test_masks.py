"""Clean-up by outlines is clean-up by labels, pixel for pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inference.contract import Contract
from inference.masks import fill_holes, keep_largest_region, make_mask


def random_masks(count: int) -> list[np.ndarray]:
    """Masks of specks and of blobs, empty and full ones among them."""
    rng = np.random.default_rng(0)
    masks = [np.zeros((5, 7), bool), np.ones((5, 7), bool), np.ones((1, 1), bool)]
    for number in range(count):
        height, width = rng.integers(1, 40, 2)
        field = rng.standard_normal((height, width)).astype(np.float32)
        if number % 2:
            field = cv2.GaussianBlur(field, (0, 0), 1.5)
        masks.append(field > 0.5 * field.std() * rng.standard_normal())
    return masks


def test_keep_largest_region_is_that_of_labels() -> None:
    several = 0
    for mask in random_masks(600):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        kept = keep_largest_region(mask)
        assert kept.dtype == bool and kept.shape == mask.shape
        if not len(areas):
            assert not kept.any()
            continue
        largest = [labels == label for label in 1 + np.flatnonzero(areas == areas.max())]
        first = min(largest, key=lambda region: int(np.flatnonzero(region)[0]))
        assert np.array_equal(kept, first)
        several += len(largest) > 1
    assert several > 20  # ties occurred


def test_fill_holes_is_that_of_labels() -> None:
    filled_any = 0
    for mask in random_masks(600):
        _, labels = cv2.connectedComponents((~mask).view(np.uint8), connectivity=4)
        border = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
        expected = ~np.isin(labels, border[border > 0])
        assert np.array_equal(fill_holes(mask), expected)
        filled_any += not np.array_equal(mask, expected)
    assert filled_any > 100


@pytest.mark.parametrize("largest_region", [False, True])
@pytest.mark.parametrize("holes", [False, True])
def test_the_contract_says_what_is_cleaned(largest_region: bool, holes: bool) -> None:
    probability = np.zeros((16, 16), np.float32)
    probability[2:11, 2:11] = 0.9
    probability[5:8, 5:8] = 0.1
    probability[13:15, 13:15] = 0.7
    contract = Contract(size=16, largest_region=largest_region, fill_holes=holes)
    mask = make_mask(probability, 16, 16, contract)
    assert mask[3, 3]
    assert mask[13, 13] == (not largest_region)
    assert mask[6, 6] == holes


def test_the_threshold_is_exclusive_and_a_probability() -> None:
    probability = np.array([[0.3, 0.5], [0.5001, 0.7]], np.float32)
    assert make_mask(probability, 2, 2, Contract(size=2)).tolist() == [[False, False], [True, True]]
    assert make_mask(probability, 2, 2, Contract(size=2, threshold=0.2)).all()


def test_masks_have_the_size_of_the_image() -> None:
    probability = np.zeros((16, 16), np.float32)
    probability[:, 8:] = 1
    for height, width in ((1, 1), (1, 500), (777, 3), (160, 240)):
        mask = make_mask(probability, height, width, Contract(size=16))
        assert mask.shape == (height, width)
    assert not mask[:, :120].any() and mask[:, 120:].all()
