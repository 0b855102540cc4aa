"""ONNX operators that torch lacks, or exports as several others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad, pixel_shuffle

Pads = tuple[int, int, int, int]  # top, left, bottom, right, in ONNX's order


def padded_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pads: Pads,
    stride: int = 1,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Convolution with its own zero padding on each side: (N, C, H, W) -> (N, K, H', W')."""
    return PaddedConv.apply(x, weight, bias, pads, stride, dilation, groups)


def interleave(*phases: Tensor) -> Tensor:
    """Interleaves four images as the 2x2 cells of one: 4 times (N, C, H, W) -> (N, C, 2 H, 2 W)."""
    return Interleave.apply(*phases)


def join_cells(x: Tensor) -> Tensor:
    """Arranges four channels as the 2x2 cells of one: (N, 4, H, W) -> (N, 1, 2 H, 2 W)."""
    return JoinCells.apply(x)


class PaddedConv(torch.autograd.Function):
    """One Conv; torch's own pads both sides of an axis equally, so it would export a Pad first."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        pads: Pads,
        stride: int,
        dilation: tuple[int, int],
        groups: int,
    ) -> Tensor:
        top, left, bottom, right = pads
        padded = pad(x, (left, right, top, bottom))
        return conv2d(padded, weight, bias, stride, 0, dilation, groups)

    @staticmethod
    def symbolic(
        g: Any,
        x: Any,
        weight: Any,
        bias: Any,
        pads: Pads,
        stride: int,
        dilation: tuple[int, int],
        groups: int,
    ) -> Any:
        return g.op(
            "Conv",
            *([x, weight] if bias is None else [x, weight, bias]),
            dilations_i=list(dilation),
            group_i=groups,
            pads_i=list(pads),
            strides_i=[stride, stride],
        )


class Interleave(torch.autograd.Function):
    """Concat and DepthToSpace (DCR), whose channel order needs no Transpose."""

    @staticmethod
    def forward(ctx: Any, *phases: Tensor) -> Tensor:
        return pixel_shuffle(torch.stack(phases, dim=2).flatten(1, 2), 2)

    @staticmethod
    def symbolic(g: Any, *phases: Any) -> Any:
        cells = g.op("Concat", *phases, axis_i=1)
        return g.op("DepthToSpace", cells, blocksize_i=2, mode_s="DCR")


class JoinCells(torch.autograd.Function):
    """DepthToSpace as DCR; torch writes CRD, equal for one output channel, which older ATC rejects."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return pixel_shuffle(x, 2)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("DepthToSpace", x, blocksize_i=2, mode_s="DCR")
