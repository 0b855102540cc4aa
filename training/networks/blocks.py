"""What the U-Net family is built from: blocks, upsampling, gates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


def conv_norm_relu(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution with bias, batch normalisation, ReLU: the unit of every block."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class PlainBlock(nn.Sequential):
    """Two units in a row: Ronneberger et al. 2015, arXiv:1505.04597."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(conv_norm_relu(inputs, outputs), conv_norm_relu(outputs, outputs))


class RecurrentUnit(nn.Module):
    """One unit whose weights are shared over `recurrence` + 1 passes: y = f(x), then y = f(x + y)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.recurrence = 2
        self.unit = conv_norm_relu(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.unit(x)
        for _ in range(self.recurrence):
            y = self.unit(x + y)
        return y


class RecurrentResidualBlock(nn.Module):
    """x = project(x); x + recur(recur(x)): the RRCNN block of Alom et al. 2018, arXiv:1802.06955."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, outputs, 1)
        self.recur = nn.Sequential(RecurrentUnit(outputs), RecurrentUnit(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        return x + self.recur(x)


class Upsample(nn.Module):
    """Nearest upsampling x2, in the precision of its input.

    On GPUs autocast would do it in float32, with a copy before and after it and four times the bytes.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return interpolate(x, scale_factor=2)


class UpConv(nn.Sequential):
    """Nearest upsampling x2, then a unit."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(Upsample(), conv_norm_relu(inputs, outputs))


class AttentionGate(nn.Module):
    """skip * sigmoid(psi(relu(W_g up + W_x skip))): additive attention, arXiv:1804.03999, equation 1."""

    def __init__(self, up: int, skip: int) -> None:
        super().__init__()
        hidden = up // 2
        self.up = nn.Sequential(nn.Conv2d(up, hidden, 1), nn.BatchNorm2d(hidden))
        self.skip = nn.Sequential(nn.Conv2d(skip, hidden, 1), nn.BatchNorm2d(hidden))
        self.psi = nn.Sequential(nn.Conv2d(hidden, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, up: Tensor, skip: Tensor) -> Tensor:
        return skip * self.psi(torch.relu(self.up(up) + self.skip(skip)))


class OpenGate(nn.Module):
    """Passes the skip connection on unchanged: the gate of networks without attention."""

    def __init__(self, up: int, skip: int) -> None:
        super().__init__()

    def forward(self, up: Tensor, skip: Tensor) -> Tensor:
        return skip
