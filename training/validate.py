"""Validation: per-image scores at the network's size, by the rules of inference.metrics."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from inference.metrics import average, count
from training.data import Split, in_order
from training.device import Runtime


@torch.no_grad()
def validate(
    network: nn.Module, split: Split, runtime: Runtime, threshold: float, batch_size: int
) -> dict[str, float]:
    """Scores a network on every image of a split, once.

    Args:
        threshold: probability above which a pixel is lesion; it is applied to probabilities here as
            in use, never to logits.

    Returns:
        Means over images, by name of `inference.metrics.METRICS`.
    """
    network.eval()
    counts = []
    for images, masks in in_order(split, batch_size):
        with runtime.autocast():
            logits = network(runtime.send(images))
        predicted = torch.sigmoid(logits.float()) > threshold
        counts.append(count(masks, predicted.cpu().numpy()))
    return average(np.concatenate(counts))
