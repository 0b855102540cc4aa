"""The U-Net family: an encoder, a decoder, skip connections between them, with or without attention.

    unet           plain blocks                   Ronneberger et al. 2015, arXiv:1505.04597
    attunet        plain blocks, attention gates  Oktay et al. 2018, arXiv:1804.03999
    r2unet         recurrent residual blocks      Alom et al. 2018, arXiv:1802.06955
    r2attunet      recurrent residual blocks, attention gates
    attunet_lite0  attunet on the lighter encoder of EfficientNet-Lite0, which can start from ImageNet
    attunet_lite2  the same on EfficientNet-Lite2, twice the work

The first four compute what the networks of LeeJunHyun/Image_Segmentation and Ascend ModelZoo's AttU_Net
do; `training.networks.reference` maps their weights onto these names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from inference.contract import MAX_SIZE
from inference.errors import InputError
from training.networks.blocks import (
    AttentionGate,
    OpenGate,
    PlainBlock,
    RecurrentResidualBlock,
    UpConv,
)
from training.networks.efficientnet_lite import EfficientNetLite0, EfficientNetLite2
from training.networks.encoder import Block, EncoderClass, UNetEncoder

DEFAULT_SIZE = 224  # side of the input in pixels: that of the published training


class Parts(NamedTuple):
    """What a network of the family is made of; a gate is given the channels of `up` and `skip`."""

    encoder: EncoderClass
    block: Block
    gate: Block


NETWORKS: dict[str, Parts] = {
    "unet": Parts(UNetEncoder, PlainBlock, OpenGate),
    "attunet": Parts(UNetEncoder, PlainBlock, AttentionGate),
    "r2unet": Parts(UNetEncoder, RecurrentResidualBlock, OpenGate),
    "r2attunet": Parts(UNetEncoder, RecurrentResidualBlock, AttentionGate),
    "attunet_lite0": Parts(EfficientNetLite0, PlainBlock, AttentionGate),
    "attunet_lite2": Parts(EfficientNetLite2, PlainBlock, AttentionGate),
}
if TYPE_CHECKING:
    Arch = str
else:
    Arch = Literal[tuple(NETWORKS)]  # the choices of the command line


def find_parts(arch: Arch) -> Parts:
    """Looks a network up.

    Raises:
        InputError: there is none of this name.
    """
    if arch not in NETWORKS:
        raise InputError(f"--arch {arch}: no such network; choose from {', '.join(NETWORKS)}")
    return NETWORKS[arch]


def stride_of(arch: Arch | None) -> int:
    """What the sides of an input must be multiples of; None asks for a size that suits every network.

    Raises:
        InputError: there is no network of this name.
    """
    names = NETWORKS if arch is None else [arch]
    return math.lcm(*(find_parts(name).encoder.stride for name in names))


def require_size(size: int, stride: int) -> None:
    """Raises InputError unless `size` is a multiple of `stride`, and names the nearest that are."""
    if size > MAX_SIZE:
        raise InputError(
            f"--size {size}: must be at most {MAX_SIZE} pixels; {DEFAULT_SIZE} is usual"
        )
    if size < 1 or size % stride:
        below = max(0, size // stride) * stride
        nearest = f"{below} or {below + stride}" if below else f"{stride}"
        raise InputError(f"--size {size}: must be a multiple of {stride}; {nearest} would do")


class UNet(nn.Module):
    """Bytes in, logits out.

    Args:
        arch: a name in NETWORKS.
        width: channels of the first level, at least 2; level k has width * 2**k. The papers have 64.
        mean, std: normalisation per channel, on the scale 0..1: (x / 255 - mean) / std.

    Attributes:
        arch: as given.
        encoder: its `stride` tells what H and W must be multiples of.

    Shape:
        (N, H, W, 3) uint8 RGB -> (N, H, W) float logits.

    Raises:
        InputError: there is no network of this name.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        arch: Arch = "attunet",
        width: int = 64,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        assert width >= 2, width
        parts = find_parts(arch)
        self.arch = arch
        self.encoder = parts.encoder(width, parts.block)
        *skips, coarsest = self.encoder.channels
        own = [width << level for level in range(len(skips))]  # channels of the decoder's levels
        below = [*own[1:], coarsest]
        levels = list(zip(below, own, skips))[::-1]  # from the coarsest to the finest
        self.up = nn.ModuleList(UpConv(deep, up) for deep, up, _ in levels)
        self.gate = nn.ModuleList(parts.gate(up, skip) for _, up, skip in levels)
        self.decoder = nn.ModuleList(parts.block(skip + up, up) for _, up, skip in levels)
        self.head = make_head(width, self.encoder.first_stride)
        # Part of the contract, not of the weights: kept out of the state dict.
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        *skips, x = self.encoder(self.normalise(images))
        for up, gate, block in zip(self.up, self.gate, self.decoder):
            x = up(x)
            x = block(torch.cat((gate(x, skips.pop()), x), dim=1))
        return self.head(x).squeeze(1)

    def normalise(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, 3, H, W) float, normalised."""
        return (images.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std


def make_head(channels: int, stride: int) -> nn.Module:
    """Logits from feature maps `stride` times smaller than the image: stride**2 from each position."""
    conv = nn.Conv2d(channels, stride**2, 1)
    return conv if stride == 1 else nn.Sequential(conv, nn.PixelShuffle(stride))
