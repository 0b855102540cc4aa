"""The network as it is deployed: bytes in, probability out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.model import UNet


class Deployable(nn.Module):
    """A network and what surrounds it in use; the network itself is not edited for export.

    Shape:
        (N, S, S, 3) uint8 RGB -> (N, S, S) float32 probability in [0, 1].
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network.float().cpu()
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.network(image))
