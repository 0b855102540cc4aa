"""Losses, on logits: (N, H, W) float against (N, H, W) masks of 0 and 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SMOOTH = 1.0  # pixels added above and below the line, so that an empty mask has a gradient
ALPHA, BETA = 0.3, 0.7  # weights of false positives and false negatives
GAMMA = 4 / 3  # above 1: images that are nearly right weigh less

Loss = Callable[[Tensor, Tensor], Tensor]


def bce(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross-entropy over all pixels."""
    logits = logits.float()
    return binary_cross_entropy_with_logits(logits, masks.to(logits.dtype))


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - soft Dice of each image, averaged: Milletari et al. 2016, arXiv:1606.04797, section 3."""
    return (1 - overlap(logits, masks, 0.5, 0.5)).mean()


def bce_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy for calibrated probabilities, plus Dice for small lesions."""
    return bce(logits, masks) + dice(logits, masks)


def tversky(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - soft Tversky index, where misses cost more: Salehi et al. 2017, arXiv:1706.05721."""
    return (1 - overlap(logits, masks, ALPHA, BETA)).mean()


def focal_tversky(logits: Tensor, masks: Tensor) -> Tensor:
    """(1 - Tversky index) ** (1 / gamma): Abraham and Khan 2019, arXiv:1810.07842, equation 4."""
    miss = 1 - overlap(logits, masks, ALPHA, BETA)
    return miss.clamp_min(1e-6).pow(1 / GAMMA).mean()  # the root's slope at 0 is infinite


def overlap(logits: Tensor, masks: Tensor, alpha: float, beta: float) -> Tensor:
    """Soft Tversky index of each image, (N,) in (0, 1]: TP / (TP + alpha FP + beta FN) on probabilities.

    With alpha = beta = 1/2 it is the Dice index.
    """
    probability = torch.sigmoid(logits.float())
    truth = masks.to(probability.dtype)
    both = (probability * truth).sum(dim=(1, 2))
    false_positive = probability.sum(dim=(1, 2)) - both
    false_negative = truth.sum(dim=(1, 2)) - both
    smooth = SMOOTH / 2
    return (both + smooth) / (both + alpha * false_positive + beta * false_negative + smooth)


LOSSES: dict[str, Loss] = {
    "bce": bce,
    "dice": dice,
    "bce_dice": bce_dice,
    "tversky": tversky,
    "focal_tversky": focal_tversky,
}
if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSSES)]  # the choices of the command line
