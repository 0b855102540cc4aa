from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from training.networks.average import MovingAverage
from training.networks.unet import UNet


def move(decay: float, averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
    """The formula, one tensor at a time."""
    share = 1 - min(decay, (1 + int(updates)) / (10 + int(updates)))
    for mean, value in zip(averaged, current):
        mean.copy_(mean.lerp(value, share) if mean.is_floating_point() else value)


@torch.no_grad()
def change(network: UNet) -> None:
    """Stands for a training step: other weights, other statistics, another count."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.add_(torch.randn_like(tensor) if tensor.is_floating_point() else 1)


def test_it_is_torchs_average_bit_for_bit_and_loads_its_states() -> None:
    torch.manual_seed(0)
    network = UNet("attunet", 2)
    ours = MovingAverage(network, 0.6)
    torchs = AveragedModel(network, multi_avg_fn=partial(move, 0.6), use_buffers=True)
    resumed = MovingAverage(UNet("attunet", 2), 0.6)
    for step in range(12):
        change(network)
        ours.update()
        torchs.update_parameters(network)
        if step == 5:  # a checkpoint of an earlier release is resumed
            resumed = MovingAverage(network, 0.6)
            resumed.load_state_dict(torchs.state_dict())
        elif step > 5:
            resumed.update()
    expected = torchs.state_dict()
    for average in (ours, resumed):
        state = average.state_dict()
        assert list(state) == list(expected)
        for name, tensor in expected.items():
            assert torch.equal(state[name], tensor), name
            assert state[name].dtype == tensor.dtype


def test_the_first_update_copies_and_forgets_what_was_before() -> None:
    network = UNet("unet", 2)
    average = MovingAverage(network, 0.999)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.pi)
    average.update()
    assert all((parameter == math.pi).all() for parameter in average.network.parameters())
