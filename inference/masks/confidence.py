"""How far an outline can be trusted, and whether there was a lesion to outline: from one forward pass.

Both figures come from the network's own output and input, at its size, so they cost a millisecond and
survive INT8 and every runtime. `export.fit_confidence` fits their coefficients on validation images and
writes them into the contract; without them there are no figures.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

SURE = 1.01  # keeps the logarithm finite where every pixel is sure
DARK = 40  # levels of 255: darker pixels are the border of a frame, or hair
EVEN = 10.0  # levels: skin around a lesion seldom differs less from its median on average
MARGIN = 4  # levels by which red may lag behind
FLAT = 0.3  # share of pixels equal to their neighbours that JPEG leaves in photographs
EXTREME = 0.98  # of an expected Jaccard index: beyond it, and below 1 - it, nothing more is told

Confidence = tuple[float, float, float]
Strangeness = tuple[float, float, float, float, float]


def describe_outline(probability: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """What tells sure outlines from doubtful ones: how sharply they fade, and how large they are.

    Where a network is unsure of an outline, the probability fades slowly towards it, and the mean inside
    falls: it is the share of the mask's pixels expected to be right, and one half of the soft Dice
    confidence of Borges et al. 2024, arXiv:2402.10665. Small lesions have more edge for their area.

    Args:
        probability: (S, S) float32 in [0, 1].
        inside: (S, S) bool, the mask at the same size; not empty.

    Returns:
        ln(1.01 - mean probability inside), ln(share of the frame).
    """
    pixels = int(np.count_nonzero(inside))
    mean = float(probability[inside].sum(dtype=np.float64)) / pixels
    return math.log(SURE - min(mean, 1.0)), math.log(pixels / inside.size)


def expect_jaccard(probability: np.ndarray, inside: np.ndarray, fit: Confidence) -> float:
    """The Jaccard index that an expert's outline is expected to give, in [0, 1]; 0 for an empty mask.

        logit(expected) = fit[0] + fit[1] ln(1.01 - mean probability inside) + fit[2] ln(share)

    Args:
        probability, inside: as in `describe_outline`.
        fit: coefficients of a fractional logistic regression (Papke and Wooldridge 1996).
    """
    if not inside.any():
        return 0.0
    fading, size = describe_outline(probability, inside)
    logit = np.array(fit[0] + fit[1] * fading + fit[2] * size)
    return float(squash(logit))


def describe_image(pixels: np.ndarray, inside: np.ndarray) -> tuple[float, float, float]:
    """What tells photos of skin from others: how uneven the surroundings are, how warm, how flat.

    Args:
        pixels: (S, S, 3) uint8 RGB, the model's input.
        inside: (S, S) bool, the mask at the same size.

    Returns:
        ln(mean absolute deviation of the lightness outside the mask from its median / 10), at least 0;
        the share of pixels that are not dark in which red leads, in [0, 1];
        the share of pixels that equal their right and lower neighbour, beyond 0.3, in [0, 0.7].
    """
    light = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    bright = light > DARK
    around = light[bright & ~inside]
    if around.size < light.size // 100:  # the mask is nearly all there is
        around = light[bright]
    deviation = float(np.abs(around - np.median(around)).mean()) if around.size else 255.0
    red, green, blue = (channel.astype(np.int32) for channel in cv2.split(pixels))
    leads = bright & (red >= green - MARGIN) & (red >= blue + MARGIN)
    warm = int(np.count_nonzero(leads)) / max(int(np.count_nonzero(bright)), 1)
    code = (red << 16) | (green << 8) | blue  # one number for the three channels of a pixel
    corner = code[:-1, :-1]
    same = (corner == code[:-1, 1:]) & (corner == code[1:, :-1])
    return math.log(max(deviation / EVEN, 1.0)), warm, max(float(same.mean()) - FLAT, 0.0)


def find_strangeness(
    pixels: np.ndarray, inside: np.ndarray, expected: float, fit: Strangeness
) -> float:
    """How much a picture looks like none of a lesion through a dermoscope: above 0, more than it may.

    A logistic regression on the outline's expected Jaccard index and on `describe_image`.

    Args:
        pixels, inside: as in `describe_image`.
        expected: what `expect_jaccard` found.
        fit: coefficients of 1, of logit(expected), and of the figures of `describe_image`.
    """
    figures = (1.0, clipped_logit(expected), *describe_image(pixels, inside))
    return sum(coefficient * figure for coefficient, figure in zip(fit, figures, strict=True))


def clipped_logit(expected: float) -> float:
    """Log odds of an expected Jaccard index, which is kept within [0.02, 0.98]."""
    kept = min(max(expected, 1 - EXTREME), EXTREME)
    return math.log(kept / (1 - kept))


def squash(logits: np.ndarray) -> np.ndarray:
    """The logistic function of numbers (...), without overflow."""
    return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
