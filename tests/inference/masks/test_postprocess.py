"""Masks by runs are those of pixels: the stretched map above the threshold, cleaned by labels."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from inference.contract import Contract
from inference.masks.postprocess import (
    fill_holes,
    find_lesion,
    keep_largest_region,
    make_mask,
    stretch,
    trace,
)
from inference.masks.runlength import find_runs


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
        kept = keep_largest_region(find_runs(mask)).mask
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
        assert np.array_equal(fill_holes(find_runs(mask)).mask, expected)
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


def random_map(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """A probability map (size, size) float32: noise, blobs, blobs with sharp edges, or a few levels."""
    probability = rng.random((size, size), np.float32)
    if kind == "levels":
        return np.rint(probability * 4) / np.float32(4)
    if kind != "noise":
        field = cv2.GaussianBlur(probability, (0, 0), 2) - 0.5
        steepness = {"blobs": 20, "sharp": 150}[kind]
        probability = (1 / (1 + np.exp(-steepness * field))).astype(np.float32)
    return probability


@pytest.mark.parametrize("kind", ["noise", "blobs", "sharp", "levels"])
def test_masks_are_the_stretched_map_above_the_threshold(kind: str) -> None:
    rng = np.random.default_rng(0)
    at_edges = 0
    for number in range(250):
        size = int(rng.choice([1, 2, 5, 16, 40, 160]))
        height, width = rng.integers(1, 700, 2).tolist()
        if number % 4 == 0:  # pixels that lie on those of the map
            height, width = (size * rng.choice([1, 3, 5], 2)).tolist()
        if number % 4 == 1:
            width = int(rng.integers(1, 4))
        probability = random_map(rng, kind, size)
        threshold = float(rng.choice([0.5, 0.25, 0.3, 0.9]))
        expected = stretch(probability, height, width) > threshold
        found = trace(probability, height, width, threshold)
        assert np.array_equal(found.mask, expected), (number, size, height, width, threshold)
        assert found.area == np.count_nonzero(expected)
        assert np.array_equal(found.edges, find_runs(expected).edges)
        at_edges += bool(expected[0].any() and expected[:, -1].any())
    assert at_edges > 20


@pytest.mark.parametrize("level", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (7, 5), (16, 16), (450, 333)])
def test_level_maps(level: float, shape: tuple[int, int]) -> None:
    probability = np.full((16, 16), level, np.float32)
    mask = make_mask(probability, *shape, Contract(size=16, largest_region=True, fill_holes=True))
    assert mask.shape == shape and (mask == (level > 0.5)).all()


@pytest.mark.parametrize("width", [1, 150])
def test_rounding_is_that_of_the_stretched_map(width: int) -> None:
    """Where the line between two pixels of the map meets the threshold right at a pixel of the image."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        probability = rng.random((32, 32), np.float32)
        stretched = stretch(probability, 120, width)
        threshold = float(stretched[rng.integers(120), rng.integers(width)])  # itself not above
        found = trace(probability, 120, width, threshold)
        assert np.array_equal(found.mask, stretched > threshold)


def test_a_large_photograph_takes_no_array_of_its_size() -> None:
    probability = random_map(np.random.default_rng(0), "blobs", 160)
    tracemalloc.start()
    contract = Contract(size=160, largest_region=True, fill_holes=True)
    lesion = find_lesion(probability, 4000, 6000, contract)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lesion.area > 0 and peak < 4000 * 6000
