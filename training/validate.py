"""Validation: per-image scores at the network's input size, by the rules of inference.scoring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inference.runtime.tta import FLIPS
from inference.scoring.metrics import count
from training.config import TrainConfig
from training.data.batches import in_order
from training.data.cache import Split
from training.device import Runtime
from training.distributed import Ranks


@torch.no_grad()
def validate(
    network: nn.Module,
    split: Split,
    config: TrainConfig,
    runtime: Runtime,
    ranks: Ranks,
    threshold: float,
) -> np.ndarray:
    """Counts true and false pixels of every image of a split, each on one rank.

    Args:
        threshold: probability above which a pixel is lesion, as at inference; never of logits.

    Returns:
        (images, 4) counts as `inference.scoring.metrics.count` makes them, the same on every rank.
    """
    ranks.broadcast_buffers(network)
    counts = np.zeros((len(split), 4), np.int64)
    batch = max(1, config.batch_size // (ranks.count * config.accumulate))
    for rows, images, masks in in_order(split, batch, ranks.rank, ranks.count):
        predicted = predict(network, images, runtime, config.tta) > threshold
        counts[rows] = count(masks, predicted.cpu().numpy())
    return ranks.sum(counts)


@torch.no_grad()
def predict(network: nn.Module, images: Tensor, runtime: Runtime, tta: bool = False) -> Tensor:
    """Probabilities of lesion: (N, S, S, 3) uint8 images -> (N, S, S) float32 on the device.

    Args:
        tta: test-time augmentation: the mean over four flips of each image.
    """
    network.eval()
    images = runtime.send(images)
    probabilities = []
    for axes in FLIPS if tta else FLIPS[:1]:
        with runtime.precision.autocast():
            logits = network(images.flip(axes))
        probabilities.append(torch.sigmoid(logits.float()).flip(axes))
    return torch.stack(probabilities).mean(0)
