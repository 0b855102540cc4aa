"""The network as it is deployed, bytes in and probability out, and its exact rewrites.

A rewrite computes the same function with less work: it reorders the arithmetic and approximates nothing.
It edits a copy, never the network itself.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from export.equalize import equalize
from export.onnx_ops import interleave, join_cells, padded_conv
from export.winograd import WinogradConv, WinogradUpConv
from training.networks.unet import UNet

Graph = Literal["phases", "winograd", "plain"]
WINOGRAD_CHANNELS = 128  # with fewer, the transforms cost more than they save (OpenVINO)
# How the three taps of a kernel's row or column fall on two input pixels: for even outputs, for odd.
TAPS = torch.tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype=torch.float64)


class Deployable(nn.Module):
    """A network as it is exported: wrapped, never edited.

    Shape:
        (N, S, S, 3) uint8 RGB -> (N, S, S) float32 probability in [0, 1].
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network.float().cpu()
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.network(image))


def rewrite(network: UNet, graph: Graph, size: int) -> UNet:
    """A copy of a network, in evaluation mode, that runs faster; "plain" returns the network itself.

    "phases" equalizes channels for INT8, folds batch normalization into the convolutions before it, turns
    upsampling and its 3x3 convolution into four 2x2 convolutions, and the image's normalization into one
    multiplication and one addition. The two 1x1 convolutions of an attention gate stay apart: merged they
    were slower, since runtimes fuse convolution, sum and ReLU themselves, and merging needs a Concat.

    "winograd" also replaces the 3x3 convolutions with many channels.

    Args:
        size: side of the images in pixels.
    """
    if graph == "plain":
        return network
    network = copy.deepcopy(network).float().cpu().eval()
    for block in (*network.encoder, *network.decoder):
        if isinstance(block, nn.Sequential):  # a recurrent block reads its own output
            equalize(block)
    fold_norms(network)
    for level, up in enumerate(network.up):
        conv = up.get_submodule("1.0")  # between the upsampling and the ReLU
        assert isinstance(conv, nn.Conv2d)
        fast = graph == "winograd" and conv.in_channels >= WINOGRAD_CHANNELS
        network.up[level] = WinogradUpConv(conv) if fast else PhaseConv(conv)
    if graph == "winograd":
        levels = list(network.encoder)
        if size // network.encoder.stride % 2:  # the coarsest maps; all others have even sides
            levels.pop()
        for block in (*levels, *network.decoder):
            use_winograd(block)
    if isinstance(network.head, nn.Sequential):
        network.head[1] = CellJoin()
    scale, shift = 1 / network.std, -network.mean / network.std
    # An instance attribute shadows the method.
    network.__dict__["normalise"] = lambda images: images.permute(0, 3, 1, 2) * scale + shift
    return network


def use_winograd(block: nn.Module) -> None:
    """Replaces every 3x3 convolution and its ReLU that has enough channels, in place."""
    for module in list(block.modules()):
        for name, unit in list(module.named_children()):
            conv = next(unit.children(), None) if isinstance(unit, nn.Sequential) else None
            if (
                isinstance(conv, nn.Conv2d)
                and conv.kernel_size == (3, 3)
                and conv.groups == 1
                and conv.in_channels >= WINOGRAD_CHANNELS
            ):
                module.add_module(name, WinogradConv(conv))


def fold_norms(network: nn.Module) -> None:
    """Folds every batch normalization into the convolution before it, in place."""
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for place in range(len(module) - 1):
                conv, norm = module[place], module[place + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[place] = fuse_conv_bn_eval(conv, norm)
                    module[place + 1] = nn.Identity()


class PhaseConv(nn.Module):
    """Nearest upsampling x2, 3x3 convolution and ReLU, as four 2x2 convolutions before upsampling.

    Every output pixel with an even row and an even column reads each input pixel through the same set of
    3x3 taps, whose weights add up; likewise in the other three phases. That takes 4 multiplications per
    output instead of 9, and is exact at the borders too, since both ways pad with zeros.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        kernel = conv.weight.detach().double()
        self.bias = nn.Parameter(conv.bias.detach())
        self.weights = nn.ParameterList(
            nn.Parameter(torch.einsum("ri,ocij,sj->ocrs", row, kernel, column).float())
            for row in TAPS
            for column in TAPS
        )

    def forward(self, x: Tensor) -> Tensor:
        pads = ((1 - row, 1 - column, row, column) for row in (0, 1) for column in (0, 1))
        phases = (
            padded_conv(x, weight, self.bias, pad).relu()
            for weight, pad in zip(self.weights, pads, strict=True)
        )
        return interleave(*phases)


class CellJoin(nn.Module):
    """The pixel shuffle of a head of four channels."""

    def forward(self, x: Tensor) -> Tensor:
        return join_cells(x)


def count_gflop(network: UNet, size: int) -> float:
    """Arithmetic of the convolutions for one (size, size) image in GFLOP; a multiply-add counts as 2."""
    total = 0

    def count(conv: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(conv, nn.Conv2d)
        total += 2 * conv.weight.numel() * output.shape[-2] * output.shape[-1]

    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [conv.register_forward_hook(count) for conv in convolutions]
    with torch.no_grad():
        network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    return total / 1e9
