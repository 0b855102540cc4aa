"""Coefficients of `inference.masks.confidence`, fitted for a model's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from export.confidence_samples import SCENES, Figures, look_at_others, look_at_pairs
from export.corruptions import CORRUPTIONS
from inference.errors import InputError
from inference.masks.confidence import clipped_logit, squash
from inference.runtime.segmenter import Segmenter
from inference.scoring.pairs import Pairs

CHECKED = 0.2  # share of the unchanged images whose outlines should be checked
SUSPECTED = 0.05  # share of them that may be taken for something else
SKIN_WEIGHT = (
    0.15  # of all pictures of something else; more finds more bare skin, and less of the rest
)
RIDGE = 1.0  # on standardized features, beside hundreds of images: it only keeps the fit finite
STEPS = 50
DECIMALS = 2  # more would depend on the processor, and the standard errors are larger


class Fit(NamedTuple):
    """What is written into the contract, and how it does on what it was fitted on.

    Attributes:
        entries: of the contract, by name.
        expected, jaccard: (images,) of the unchanged images.
        others: number of pictures of something else.
        suspected, found: shares of both that are taken for something else.
    """

    entries: dict[str, Any]
    expected: np.ndarray
    jaccard: np.ndarray
    others: int
    suspected: float
    found: float


def fit_contract(segmenter: Segmenter, valid: Pairs, train: Pairs, threads: int) -> Fit:
    """Fits the expected Jaccard index, the threshold for checking, and strangeness.

    Args:
        valid: images to fit on, as they are and in each way of `CORRUPTIONS`.
        train: images whose bare skin tells what no lesion looks like, beside made-up scenes.

    Raises:
        InputError: an image cannot be read, or no validation image has an outline.
    """
    figures = look_at_pairs(segmenter, valid, threads)
    others = look_at_others(segmenter, train, threads)
    confidence = fit_confidence(figures)
    real = [each for each in figures if each.unchanged]
    expected = expect(real, confidence)
    check = float(np.clip(round(float(np.quantile(expected, CHECKED)), DECIMALS), 0.01, 0.99))
    scenes, skin = others[:SCENES], others[SCENES:]
    strangeness = fit_strangeness(real, scenes, skin, confidence)
    entries = {"confidence": confidence, "check_below": check, "strangeness": strangeness}
    suspected, found = (
        float((describe(group, confidence) @ strangeness > 0).mean()) for group in (real, others)
    )
    jaccard = np.array([each.jaccard for each in real])
    return Fit(entries, expected, jaccard, len(others), suspected, found)


def fit_confidence(figures: Sequence[Figures]) -> tuple[float, ...]:
    """Fractional logistic regression of the Jaccard index; unchanged images weigh one half.

    Papke and Wooldridge 1996, doi:10.1002/(SICI)1099-1255(199611)11:6<619::AID-JAE418>3.0.CO;2-1.
    """
    outlined = [each for each in figures if each.outline]
    if not outlined:
        raise InputError(
            "no validation image has an outline: the model finds nothing; train it first"
        )
    ways = len(CORRUPTIONS) - 1
    return fit_logistic(
        np.array([each.outline for each in outlined]),
        np.array([each.jaccard for each in outlined]),
        np.array([ways if each.unchanged else 1.0 for each in outlined]),
    )


def fit_strangeness(
    real: Sequence[Figures],
    scenes: Sequence[Figures],
    skin: Sequence[Figures],
    confidence: tuple[float, ...],
) -> tuple[float, ...]:
    """Logistic regression of other pictures against photos of lesions, shifted to its limit.

    Both sides weigh the same. The limit leaves SUSPECTED of the real photos above 0.
    """
    share = SKIN_WEIGHT if skin else 0.0
    groups, weights = (real, scenes, skin), (1.0, 1 - share, share)
    features = [describe(group, confidence) for group in groups]
    constant, *slopes = fit_logistic(
        np.concatenate(features)[:, 1:],
        np.concatenate([np.full(len(group), group is not real) for group in groups]),
        np.concatenate([
            np.full(len(group), weight * len(real) / max(len(group), 1))
            for group, weight in zip(groups, weights)
        ]),
    )  # fmt: skip
    limit = float(np.quantile(features[0] @ (constant, *slopes), 1 - SUSPECTED))
    return round(constant - limit, DECIMALS), *slopes


def expect(figures: Sequence[Figures], confidence: tuple[float, ...]) -> np.ndarray:
    """The expected Jaccard index of each picture: (pictures,) in [0, 1], as `expect_jaccard`."""
    outlines = np.array([(1.0, *(each.outline or (0.0, 0.0))) for each in figures]).reshape(-1, 3)
    empty = np.array([each.outline is None for each in figures], bool)
    return np.where(empty, 0.0, squash(outlines @ confidence))


def describe(figures: Sequence[Figures], confidence: tuple[float, ...]) -> np.ndarray:
    """What `find_strangeness` multiplies its coefficients with: (pictures, 5)."""
    rows = [
        (1.0, clipped_logit(expected), *each.image)
        for expected, each in zip(expect(figures, confidence), figures)
    ]
    return np.array(rows).reshape(len(rows), 5)


def fit_logistic(features: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, ...]:
    """Weighted logistic regression by Newton's method, with a little ridge; the constant comes first.

    Args:
        features: (N, F).
        target: (N,) in [0, 1].
        weight: (N,).

    Returns:
        F + 1 coefficients, rounded to DECIMALS.
    """
    scale = np.maximum(features.std(axis=0), 1e-9)
    design = np.concatenate([np.ones((len(features), 1)), features / scale], axis=1)
    ridge = np.diag([1e-6, *[RIDGE] * len(scale)])
    found = np.zeros(design.shape[1])
    for _ in range(STEPS):
        odds = squash(design @ found)
        slope = design.T @ (weight * (target - odds)) - ridge @ found
        curve = (design * (weight * odds * (1 - odds))[:, None]).T @ design + ridge
        found += np.linalg.solve(curve, slope)
    found[1:] /= scale
    return tuple(round(float(value), DECIMALS) for value in found)
