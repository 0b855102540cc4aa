"""Run lengths hold what a mask holds, and know which of them are one region."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inference.masks.runlength import RunLengths, find_runs
from tests.inference.masks.test_postprocess import random_masks


def test_there_and_back() -> None:
    for mask in random_masks(300):
        runs = find_runs(mask)
        assert runs.mask.dtype == bool and np.array_equal(runs.mask, mask)
        assert runs.area == np.count_nonzero(mask)
        inverse = runs.invert()
        assert np.array_equal(inverse.mask, ~mask)
        assert np.array_equal(inverse.edges, find_runs(~mask).edges)
        assert np.array_equal(inverse.invert().edges, runs.edges)


def test_edges_at_one_place_cancel() -> None:
    runs = RunLengths(np.array([7, 2, 4, 7, 4, 4]), 1, 9)
    assert runs.edges.tolist() == [2, 4]
    assert runs.mask.tolist() == [[False, True, True, *[False] * 6]]


@pytest.mark.parametrize("diagonal", [False, True])
def test_labels_are_those_of_pixels(diagonal: bool) -> None:
    several = 0
    for mask in random_masks(400):
        runs = find_runs(mask)
        labels = runs.label(diagonal)
        image = mask.view(np.uint8)
        count, expected = cv2.connectedComponents(image, connectivity=8 if diagonal else 4)
        row, column = np.divmod(runs.starts - 1, runs.stride)
        pairs = set(zip(labels.tolist(), expected[row, column].tolist(), strict=True))
        assert len(pairs) == len(set(labels.tolist())) == count - 1
        assert all(label == np.flatnonzero(labels == label)[0] for label, _ in pairs)
        several += count > 3
    assert several > 100


def test_a_spiral_is_one_region() -> None:
    spiral = np.zeros((61, 61), bool)
    low, high = 0, 60
    while low < high:
        spiral[low, max(0, low - 2) : high + 1] = spiral[low : high + 1, high] = True
        spiral[high, low : high + 1] = spiral[low + 2 : high + 1, low] = True
        low, high = low + 2, high - 2
    for mask in (spiral, spiral.T, spiral[::-1], spiral[:, ::-1]):
        runs = find_runs(np.ascontiguousarray(mask))
        count, _ = cv2.connectedComponents(
            np.ascontiguousarray(mask).view(np.uint8), connectivity=4
        )
        assert len(set(runs.label(diagonal=False).tolist())) == count - 1 == 1


def test_covers_and_toggle() -> None:
    rng = np.random.default_rng(0)
    for mask in random_masks(100):
        runs = find_runs(mask)
        pixels = rng.permutation(mask.size)[: mask.size // 2]
        row, column = np.divmod(pixels, mask.shape[1])
        places = row * runs.stride + 1 + column
        assert np.array_equal(runs.covers(places), mask.ravel()[pixels])
        changed = mask.copy()
        changed.ravel()[pixels] ^= True
        assert np.array_equal(runs.toggle(places).mask, changed)
