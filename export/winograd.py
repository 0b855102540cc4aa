"""3x3 convolutions with fewer multiplications: Winograd's F(2x2, 3x3) as a graph of ordinary operators.

    Y = A' [(G g G') * (B' d B)] A      Lavin and Gray 2016, arXiv:1509.09308, equation 8

Every 2x2 cell of the output comes from a 4x4 tile d of the input with 16 products per channel, not 36.
B' d B are depthwise convolutions with 2x2 taps, the products are 1x1 convolutions, A' and A are sums. It
is exact up to rounding, by no more than float32 convolutions differ among runtimes. It pays in float32
on CPUs, when many channels share the cost of the transforms; in INT8 and float16 the sums lose precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from export.onnx_ops import interleave, padded_conv

# G; its last row is negated, so that A' below subtracts only once.
KERNEL = torch.tensor(
    [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, -1]], dtype=torch.float64
)
# B': the two rows of a tile that each of its rows combines, and their factors.
ROWS = ((0, 2), (1, 2), (1, 2), (1, 3))
FACTORS = torch.tensor([[1, -1], [1, 1], [-1, 1], [1, -1]], dtype=torch.float32)
# In an upsampled image, rows 1 and 2 of a tile are equal, so three rows of B' remain: x[-1] - x[0],
# 2 x[0], whose 2 goes into the kernel, and x[0] - x[1].
UP_KERNEL = torch.stack((KERNEL[0], 2 * KERNEL[1], KERNEL[3]))
UP_FACTORS = (torch.tensor([1.0, -1.0]), torch.tensor([1.0]), torch.tensor([1.0, -1.0]))
UP_PADS = ((1, 0), (0, 0), (0, 1))


class WinogradConv(nn.Module):
    """A 3x3 convolution with padding 1, then ReLU.

    Shape:
        (N, C, H, W) -> (N, K, H, W); H and W are even.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        self.inputs, self.outputs = conv.in_channels, conv.out_channels
        self.bias = nn.Parameter(conv.bias.detach())
        self.products = transform_kernel(conv, KERNEL)
        self.taps = nn.ParameterList(
            depthwise(torch.outer(row, column), conv.in_channels)
            for row in FACTORS
            for column in FACTORS
        )
        self.twice = depthwise(torch.tensor([[-2.0]]), conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        columns = [self._combine([self._product(x, i, j) for i in range(4)]) for j in range(4)]
        cells = [y.relu() for row in zip(*columns) for y in self._combine(row)]
        return interleave(*cells)

    def _product(self, x: Tensor, i: int, j: int) -> Tensor:
        (top, below), (left, right) = ROWS[i], ROWS[j]
        # Tiles start one pixel before every second pixel.
        pads = (1 - top, 1 - left, below - 2, right - 2)
        dilation = (below - top, right - left)
        tiles = padded_conv(x, self.taps[4 * i + j], None, clip(pads), 2, dilation, self.inputs)
        return conv2d(tiles, self.products[4 * i + j], self.bias if i == j == 1 else None)

    def _combine(self, m: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """A': (m0 + m1 + m2, m1 - m2 - m3); the sign of m3 is in the kernel.

        m1 - m2 is written as (m1 + m2) - 2 m2, a depthwise convolution and a sum, which runtimes fuse; a
        subtraction makes onnxruntime leave its blocked memory layout.
        """
        both = m[1] + m[2]
        difference = conv2d(m[2], self.twice, groups=self.outputs) + both
        return m[0] + both, m[3] + difference


class WinogradUpConv(nn.Module):
    """Nearest upsampling x2, a 3x3 convolution with padding 1, then ReLU: 9 products per cell, not 36.

    Shape:
        (N, C, H, W) -> (N, K, 2 H, 2 W)
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        self.inputs = conv.in_channels
        self.bias = nn.Parameter(conv.bias.detach())
        self.products = transform_kernel(conv, UP_KERNEL)
        self.taps = nn.ParameterList(
            depthwise(torch.outer(row, column), conv.in_channels)
            for row in UP_FACTORS
            for column in UP_FACTORS
        )

    def forward(self, x: Tensor) -> Tensor:
        columns = []
        for j in range(3):
            m = [self._product(x, i, j) for i in range(3)]
            columns.append((m[0] + m[1], m[2] + m[1]))
        rows = list(zip(*columns))
        return interleave(*((row[k] + row[1]).relu() for row in rows for k in (0, 2)))

    def _product(self, x: Tensor, i: int, j: int) -> Tensor:
        if i == j == 1:
            return conv2d(x, self.products[4], self.bias)
        pads = (UP_PADS[i][0], UP_PADS[j][0], UP_PADS[i][1], UP_PADS[j][1])
        tiles = padded_conv(x, self.taps[3 * i + j], None, pads, groups=self.inputs)
        return conv2d(tiles, self.products[3 * i + j])


def transform_kernel(conv: nn.Conv2d, transform: Tensor) -> nn.ParameterList:
    """G g G' of every pair of channels, as 1x1 convolutions: (K, C, 1, 1) for each entry, row by row."""
    kernel = conv.weight.detach().double()
    transformed = torch.einsum("ip,kcpq,jq->ijkc", transform, kernel, transform).float()
    return nn.ParameterList(entry[..., None, None] for entry in transformed.flatten(0, 1))


def depthwise(taps: Tensor, channels: int) -> nn.Parameter:
    """The same taps (h, w) for every channel: (channels, 1, h, w)."""
    return nn.Parameter(taps.expand(channels, 1, -1, -1).clone())


def clip(pads: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Raises negative pads to 0: where the taps stay inside the image, nothing is padded."""
    top, left, bottom, right = (max(0, pad) for pad in pads)
    return top, left, bottom, right
