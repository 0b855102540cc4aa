"""The public reference's four networks, written down after its description, under its names.

An oracle for tests: LeeJunHyun/Image_Segmentation, width free.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn


def relu_conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.ReLU()]


class ConvBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*relu_conv(inputs, outputs), *relu_conv(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UpConv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), *relu_conv(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x)


class RecurrentBlock(nn.Module):
    def __init__(self, channels: int, t: int) -> None:
        super().__init__()
        self.t = t
        self.conv = nn.Sequential(*relu_conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        for step in range(self.t):
            if step == 0:
                x1 = self.conv(x)
            x1 = self.conv(x + x1)
        return x1


class RRCNNBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, t: int) -> None:
        super().__init__()
        self.RCNN = nn.Sequential(RecurrentBlock(outputs, t), RecurrentBlock(outputs, t))
        self.Conv_1x1 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv_1x1(x)
        return x + self.RCNN(x)


class AttentionBlock(nn.Module):
    def __init__(self, up: int, skip: int, hidden: int) -> None:
        super().__init__()
        self.W_g = nn.Sequential(nn.Conv2d(up, hidden, 1), nn.BatchNorm2d(hidden))
        self.W_x = nn.Sequential(nn.Conv2d(skip, hidden, 1), nn.BatchNorm2d(hidden))
        self.psi = nn.Sequential(nn.Conv2d(hidden, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, g: Tensor, x: Tensor) -> Tensor:
        return x * self.psi(torch.relu(self.W_g(g) + self.W_x(x)))


class ReferenceNetwork(nn.Module):
    """(N, 3, H, W) float, normalised -> (N, 1, H, W) logits."""

    def __init__(self, arch: str, width: int, t: int = 2) -> None:
        super().__init__()
        self.block = "RRCNN" if arch.startswith("r2") else "Conv"
        self.gated = "att" in arch
        block = partial(RRCNNBlock, t=t) if arch.startswith("r2") else ConvBlock
        channels = [3] + [width * 2**level for level in range(5)]
        for level in range(1, 6):
            setattr(self, f"{self.block}{level}", block(channels[level - 1], channels[level]))
        for level in range(5, 1, -1):
            deep, shallow = channels[level], channels[level - 1]
            setattr(self, f"Up{level}", UpConv(deep, shallow))
            if self.gated:
                setattr(self, f"Att{level}", AttentionBlock(shallow, shallow, shallow // 2))
            name = "Up_RRCNN" if self.block == "RRCNN" else "Up_conv"
            setattr(self, f"{name}{level}", block(deep, shallow))
        self.Conv_1x1 = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in range(1, 6):
            x = x if level == 1 else nn.functional.max_pool2d(x, 2, 2)
            x = getattr(self, f"{self.block}{level}")(x)
            skips.append(x)
        for level in range(5, 1, -1):
            d = getattr(self, f"Up{level}")(x)
            skip = skips[level - 2]
            if self.gated:
                skip = getattr(self, f"Att{level}")(g=d, x=skip)
            name = "Up_RRCNN" if self.block == "RRCNN" else "Up_conv"
            x = getattr(self, f"{name}{level}")(torch.cat((skip, d), dim=1))
        return self.Conv_1x1(x)
