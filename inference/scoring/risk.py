"""Whether doubt finds failures: risk and coverage of the expected Jaccard index.

Images are looked at in the order of their doubt. The share of failures among those looked at is what
selective segmentation wins (Geifman and El-Yaniv 2017, arXiv:1705.08500).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inference.scoring.metrics import FAILURE

LOOKED_AT = (0.1, 0.2, 0.3)  # shares of the images, the most doubtful first
BINS = 10  # of equally many images


def assess_doubt(expected: np.ndarray, jaccard: np.ndarray) -> dict[str, Any]:
    """How well expected Jaccard indices tell which outlines fail.

    Args:
        expected, jaccard: (images,) in [0, 1]; a failure is a true index below FAILURE.

    Returns:
        auroc: the chance that a failure is more doubtful than another image; None without both.
        found: share of the images looked at -> share of the failures among them; None without failures.
        calibration_error: mean difference of expected and true index over BINS groups by doubt.
    """
    failed = jaccard < FAILURE
    order = np.argsort(expected, kind="stable")
    found = {
        f"{share:.0%}": float(failed[order[: round(share * len(order))]].sum() / failed.sum())
        if failed.any()
        else None
        for share in LOOKED_AT
    }
    groups = [group for group in np.array_split(order, BINS) if len(group)]
    gaps = [len(group) * abs(expected[group].mean() - jaccard[group].mean()) for group in groups]
    return {
        "auroc": find_auroc(-expected, failed),
        "found": found,
        "calibration_error": float(sum(gaps) / len(order)),
    }


def find_auroc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve by ranks (Mann and Whitney 1947), ties half; None without both kinds.

    Args:
        scores: (N,), higher for what should be positive.
        positive: (N,) bool.
    """
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return None
    values, places = np.unique(scores, return_inverse=True)
    sizes = np.bincount(places, minlength=len(values))
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))
