"""How well doubt finds failures, on indices whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.scoring.risk import assess_doubt, find_auroc


def test_perfect_doubt_and_its_opposite() -> None:
    jaccard = np.linspace(0.01, 1, 100)  # 64 failures
    told = assess_doubt(jaccard, jaccard)
    assert told["auroc"] == 1 and told["calibration_error"] == pytest.approx(0)
    assert told["found"] == {"10%": 10 / 64, "20%": 20 / 64, "30%": 30 / 64}
    misled = assess_doubt(1 - jaccard, jaccard)
    assert misled["auroc"] == 0 and misled["found"]["30%"] == 0


def test_the_lowest_are_looked_at_first() -> None:
    jaccard = np.array([0.9] * 7 + [0.5, 0.4, 0.9])
    expected = np.array([0.95, 0.94, 0.93, 0.92, 0.91, 0.9, 0.89, 0.2, 0.85, 0.3])
    told = assess_doubt(expected, jaccard)
    assert told["found"] == {"10%": 0.5, "20%": 0.5, "30%": 1.0}
    assert told["auroc"] == pytest.approx(15 / 16)


def test_ties_count_half() -> None:
    assert find_auroc(np.array([1.0, 1, 1, 1]), np.array([True, False, True, False])) == 0.5
    assert find_auroc(np.array([2.0, 1, 1]), np.array([True, True, False])) == 0.75


def test_a_constant_offset_is_the_calibration_error() -> None:
    jaccard = np.linspace(0.5, 0.9, 40)
    assert assess_doubt(jaccard + 0.1, jaccard)["calibration_error"] == pytest.approx(0.1)


@pytest.mark.parametrize("jaccard", [[0.9, 0.8, 0.7], [0.1, 0.2, 0.3], [0.9], [0.1]])
def test_with_failures_alone_or_without_any_there_is_no_auroc(jaccard: list[float]) -> None:
    told = assess_doubt(np.array(jaccard), np.array(jaccard))
    assert told["auroc"] is None
    assert (told["found"]["10%"] is None) == (jaccard[0] > 0.65)
