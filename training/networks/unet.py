"""The U-Net family: one class, two kinds of block, with or without attention gates.

    unet           plain blocks                  Ronneberger et al. 2015, arXiv:1505.04597
    attunet        plain blocks, gates           Oktay et al. 2018, arXiv:1804.03999
    r2unet         recurrent residual blocks     Alom et al. 2018, arXiv:1802.06955
    r2attunet      recurrent residual, gates
    attunet_lite0  plain blocks, gates, and the lighter encoder of EfficientNet-Lite0, trained on ImageNet

The function of the first four is that of the public reference (LeeJunHyun/Image_Segmentation) and of
Ascend ModelZoo's AttU_Net; `training.networks.reference` maps their weights onto these names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from training.networks import efficientnet_lite as lite

ReferenceArch = Literal["unet", "attunet", "r2unet", "r2attunet"]
Arch = Literal[ReferenceArch, "attunet_lite0"]
LEVELS = 5
MULTIPLE = 2 ** (LEVELS - 1)  # sides of an input must divide by this


def multiple(arch: Arch) -> int:
    """What the sides of an input must divide by."""
    return 2 * MULTIPLE if arch == "attunet_lite0" else MULTIPLE


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

    def __init__(self, up: int, skip: int) -> None:
        super().__init__()
        hidden = up // 2
        self.up = nn.Sequential(nn.Conv2d(up, hidden, 1), nn.BatchNorm2d(hidden))
        self.skip = nn.Sequential(nn.Conv2d(skip, hidden, 1), nn.BatchNorm2d(hidden))
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
        arch: which of the networks.
        width: channels of the first level; level k has width * 2**k. The reference has 64.
        recurrence: of recurrent blocks, how often a unit sees its own output.
        mean, std: normalisation per channel, on the scale 0..1: (x / 255 - mean) / std.

    Attributes:
        multiple: what the sides of an input must divide by.

    Shape:
        (N, H, W, 3) uint8 RGB -> (N, H, W) float logits.
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
        self.multiple = multiple(arch)
        block: Callable[[int, int], nn.Module] = PlainBlock
        if arch.startswith("r2"):
            block = partial(RecurrentResidualBlock, recurrence=recurrence)
        channels = [width * 2**level for level in range(LEVELS)]
        is_lite = arch == "attunet_lite0"
        skips = lite.CHANNELS if is_lite else channels
        self.encoder = (
            lite.make_encoder()
            if is_lite
            else nn.ModuleList(block(shallow, deep) for shallow, deep in pairwise([3, *channels]))
        )
        self.pool = nn.Identity() if is_lite else nn.MaxPool2d(2)  # its levels have strides
        levels = list(zip([*channels[1:-1], skips[-1]], channels, skips))[
            ::-1
        ]  # from the deepest up
        self.up = nn.ModuleList(UpConv(deep, own) for deep, own, _ in levels)
        self.gate = nn.ModuleList(
            AttentionGate(own, skip) if "att" in arch else OpenGate() for _, own, skip in levels
        )
        self.decoder = nn.ModuleList(block(skip + own, own) for _, own, skip in levels)
        # The lite encoder begins at half the resolution: the head makes 2 x 2 pixels of each.
        self.head = (
            nn.Sequential(nn.Conv2d(width, 4, 1), nn.PixelShuffle(2))
            if is_lite
            else nn.Conv2d(width, 1, 1)
        )
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
