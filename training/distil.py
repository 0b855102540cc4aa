"""Knowledge distillation: a network learns from others as well as from the masks.

Hinton et al. 2015, arXiv:1503.02531. Teachers see each image as the network does, after augmentation, as
Beyer et al. 2022, arXiv:2106.05237, found best.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.device import Runtime
from training.networks.unet import require_size
from training.weights import open_network


class Teachers:
    """Trained networks, whose mean prediction is blended into the masks.

    Args:
        paths: their checkpoints; without any, masks stay as they are.
        share: of the teachers in a target, in [0, 1]; the rest is the mask.
        size: side of the images, in pixels.

    Raises:
        InputError: a checkpoint cannot be opened, or does not take images of this size.
    """

    def __init__(self, paths: Sequence[Path], share: float, size: int, runtime: Runtime) -> None:
        self._share, self._runtime = share, runtime
        self._networks = [open_network(path)[0] for path in paths]
        for network in self._networks:
            require_size(size, network.encoder.stride)
            runtime.place(network)

    @torch.no_grad()
    def blend(self, images: Tensor, masks: Tensor) -> Tensor:
        """Targets for a loss, on the device.

        Args:
            images: (N, S, S, 3) uint8 RGB, on the device.
            masks: (N, S, S) uint8, 0 or 1, on the device.

        Returns:
            (N, S, S): the masks, or float32 in [0, 1] if there are teachers.
        """
        if not self._networks:
            return masks
        predicted = torch.zeros(masks.shape, device=masks.device)
        for network in self._networks:
            with self._runtime.precision.autocast():
                logits = network(images)
            predicted += torch.sigmoid(logits.float()) / len(self._networks)
        return torch.lerp(masks.float(), predicted, self._share)
