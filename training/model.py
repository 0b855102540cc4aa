"""The U-Net family: one class, two kinds of block, with or without attention gates.

    unet       plain blocks                  Ronneberger et al. 2015, arXiv:1505.04597
    attunet    plain blocks, gates           Oktay et al. 2018, arXiv:1804.03999
    r2unet     recurrent residual blocks     Alom et al. 2018, arXiv:1802.06955
    r2attunet  recurrent residual, gates

The function is that of the public reference (LeeJunHyun/Image_Segmentation) and of Ascend ModelZoo's
AttU_Net; `training.reference` maps their weights onto these names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

Arch = Literal["unet", "attunet", "r2unet", "r2attunet"]
LEVELS = 5
MULTIPLE = 2 ** (LEVELS - 1)  # sides of an input must divide by this


def conv_norm_relu(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution with bias, batch normalisation, ReLU: the unit of every block."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class PlainBlock(nn.Sequential):
    """Two units, one after the other."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(conv_norm_relu(inputs, outputs), conv_norm_relu(outputs, outputs))


class RecurrentUnit(nn.Module):
    """One unit whose weights are shared over `recurrence` + 1 passes: y = f(x), then y = f(x + y)."""

    def __init__(self, channels: int, recurrence: int) -> None:
        super().__init__()
        self.recurrence = recurrence
        self.unit = conv_norm_relu(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.unit(x)
        for _ in range(self.recurrence):
            y = self.unit(x + y)
        return y


class RecurrentResidualBlock(nn.Module):
    """x = project(x); x + recur(recur(x)): the RRCNN block of R2U-Net, arXiv:1802.06955."""

    def __init__(self, inputs: int, outputs: int, recurrence: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, outputs, 1)
        self.recur = nn.Sequential(*(RecurrentUnit(outputs, recurrence) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        return x + self.recur(x)


class UpConv(nn.Sequential):
    """Nearest upsampling x2, then a unit."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2), conv_norm_relu(inputs, outputs))


class AttentionGate(nn.Module):
    """skip * sigmoid(psi(relu(W_g up + W_x skip))): equation 1 of arXiv:1804.03999, additive."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.up = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden))
        self.skip = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden))
        self.psi = nn.Sequential(nn.Conv2d(hidden, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, up: Tensor, skip: Tensor) -> Tensor:
        return skip * self.psi(torch.relu(self.up(up) + self.skip(skip)))


class OpenGate(nn.Module):
    """The gate of the networks without attention: lets the skip connection through."""

    def forward(self, up: Tensor, skip: Tensor) -> Tensor:
        return skip


class UNet(nn.Module):
    """Bytes in, logits out.

    Args:
        arch: which of the four networks.
        width: channels of the first level; level k has width * 2**k. The reference has 64.
        recurrence: of recurrent blocks, how often a unit sees its own output.
        mean, std: normalisation per channel, on the scale 0..1: (x / 255 - mean) / std.

    Shape:
        (N, H, W, 3) uint8 RGB -> (N, H, W) float logits; H and W divide by 16.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        arch: Arch = "attunet",
        width: int = 64,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        recurrence: int = 2,
    ) -> None:
        super().__init__()
        assert arch in get_args(Arch) and width >= 2, (arch, width)
        block: Callable[[int, int], nn.Module] = PlainBlock
        if arch.startswith("r2"):
            block = partial(RecurrentResidualBlock, recurrence=recurrence)
        channels = [width * 2**level for level in range(LEVELS)]
        shallow_to_deep = list(pairwise(channels))
        self.encoder = nn.ModuleList(
            [block(3, width)] + [block(shallow, deep) for shallow, deep in shallow_to_deep]
        )
        self.pool = nn.MaxPool2d(2)
        deep_to_shallow = shallow_to_deep[::-1]
        self.up = nn.ModuleList(UpConv(deep, shallow) for shallow, deep in deep_to_shallow)
        self.gate = nn.ModuleList(
            AttentionGate(shallow) if "att" in arch else OpenGate()
            for shallow, _ in deep_to_shallow
        )
        self.decoder = nn.ModuleList(block(deep, shallow) for shallow, deep in deep_to_shallow)
        self.head = nn.Conv2d(width, 1, 1)
        # Part of the contract, not of the weights: kept out of the state dict.
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = self.normalise(images)
        skips: list[Tensor] = []
        for block in self.encoder:
            x = block(self.pool(x) if skips else x)
            skips.append(x)
        skips.pop()
        for up, gate, block in zip(self.up, self.gate, self.decoder):
            x = up(x)
            x = block(torch.cat((gate(x, skips.pop()), x), dim=1))
        return self.head(x).squeeze(1)

    def normalise(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, 3, H, W) float, normalised."""
        return (images.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std
