"""Losses, on logits: (N, H, W) float against (N, H, W) masks of 0 and 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SMOOTH = 1.0  # pixels added to both sides of the ratio, so that an empty mask has a gradient

Loss = Callable[[Tensor, Tensor], Tensor]


def bce(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross-entropy over all pixels."""
    logits = logits.float()
    return binary_cross_entropy_with_logits(logits, masks.to(logits.dtype))


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - soft Dice of each image, averaged: Milletari et al. 2016, arXiv:1606.04797, section 3."""
    probability = torch.sigmoid(logits.float())
    truth = masks.to(probability.dtype)
    both = (probability * truth).sum(dim=(1, 2))
    total = probability.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    return (1 - (2 * both + SMOOTH) / (total + SMOOTH)).mean()


def bce_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Sum of both: cross-entropy for calibrated pixels, Dice for small lesions."""
    return bce(logits, masks) + dice(logits, masks)


LOSSES: dict[str, Loss] = {"bce": bce, "bce_dice": bce_dice}
