"""Scores of a segmentation, by the rules of the ISIC 2018 challenge, Task 1.

Counts first, then ratios: pooled scores come from summed counts, mean scores from the ratios of each
image. 0 / 0 follows the official scorer (isic-challenge-scoring).
"""

from __future__ import annotations

import numpy as np

METRICS = (
    "accuracy",
    "sensitivity",
    "specificity",
    "precision",
    "dice",
    "jaccard",
    "thresholded_jaccard",
)
FAILURE = 0.65  # a jaccard below it counts as 0 in the challenge's ranking


def count(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts true and false positives and negatives, pixel by pixel.

    Args:
        truth, predicted: (..., H, W) bool or {0, 1}, of the same shape.

    Returns:
        (..., 4) int64: true positives, false positives, false negatives, true negatives.
    """
    assert truth.shape == predicted.shape, (truth.shape, predicted.shape)
    truth, predicted = truth.astype(bool), predicted.astype(bool)
    pixels = truth.shape[-2] * truth.shape[-1]
    both = np.count_nonzero(truth & predicted, axis=(-2, -1))
    in_truth = np.count_nonzero(truth, axis=(-2, -1))
    in_predicted = np.count_nonzero(predicted, axis=(-2, -1))
    counts = (both, in_predicted - both, in_truth - both, pixels - in_truth - in_predicted + both)
    return np.stack(counts, axis=-1)


def score(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Turns counts into scores.

    Args:
        counts: (..., 4) as `count` returns them, for one image or summed over many.

    Returns:
        (...) float64 in [0, 1] for each name in METRICS.
    """
    tp, fp, fn, tn = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    jaccard = divide(tp, tp + fp + fn)
    scores = (
        divide(tp + tn, tp + fp + fn + tn),
        divide(tp, tp + fn),
        divide(tn, tn + fp),
        divide(tp, tp + fp),
        divide(2 * tp, 2 * tp + fp + fn),
        jaccard,
        np.where(jaccard < FAILURE, 0.0, jaccard),
    )
    return dict(zip(METRICS, scores, strict=True))


def divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, or 1 where whole is 0: nothing to find, and nothing found wrongly."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)


def average_scores(counts: np.ndarray) -> dict[str, float]:
    """Mean over images of each score: (images, 4) counts -> score by name."""
    return {name: float(scores.mean()) for name, scores in score(counts).items()}


def bootstrap(
    counts: np.ndarray, resamples: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of the mean scores, by resampling images with replacement.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        counts: (images, 4).

    Returns:
        (low, high) for each name in METRICS.
    """
    rng = np.random.default_rng(seed)
    images = len(counts)
    # A resample is the number of times each image was drawn: its mean is then a matrix product.
    drawn = rng.multinomial(images, np.full(images, 1 / images), size=resamples) / images
    intervals = {}
    for name, scores in score(counts).items():
        low, high = np.percentile(drawn @ scores, (2.5, 97.5))
        intervals[name] = (float(low), float(high))
    return intervals
