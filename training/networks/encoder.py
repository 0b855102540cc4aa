"""Encoders: from an image to feature maps at ever lower resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar, Protocol

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

Block = Callable[[int, int], nn.Module]


class Encoder(nn.ModuleList):
    """A list of levels, from the finest to the coarsest, each at half the resolution of the one before.

    Attributes:
        channels: of each level's feature maps.
        stride: by how much the coarsest level is smaller than the image, whose sides must be multiples
            of it.

    Shape:
        (N, 3, H, W) -> a list of (N, channels[k], h, w), h and w halved from level to level.
    """

    stride: ClassVar[int]
    channels: Sequence[int]

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for level in self:
            x = level(x)
            features.append(x)
        return features

    @property
    def first_stride(self) -> int:
        """By how much the finest level is smaller than the image."""
        return self.stride >> (len(self) - 1)


class EncoderClass(Protocol):
    """A subclass of Encoder, made from the U-Net's width and block, which it need not use."""

    stride: int

    def __call__(self, width: int, block: Block, /) -> Encoder: ...


class UNetEncoder(Encoder):
    """Five blocks with 2x2 max pooling between them, arXiv:1505.04597; channels double at each level."""

    stride = 16

    def __init__(self, width: int, block: Block) -> None:
        channels = [width << level for level in range(5)]
        super().__init__(block(fine, coarse) for fine, coarse in pairwise([3, *channels]))
        self.channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for level in self:
            x = level(max_pool2d(x, 2) if features else x)
            features.append(x)
        return features
