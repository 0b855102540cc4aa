"""One step of optimisation: scale, clip, update, schedule, average."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from training.config import TrainConfig
from training.device import Runtime


class Stepper:
    """Turns a loss into better weights: `step(loss)`.

    AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), learning rate warmed up and annealed along a
    cosine, weights averaged along the way.

    Args:
        steps: all the steps of the run: the length of the schedule.
    """

    def __init__(
        self, network: nn.Module, config: TrainConfig, runtime: Runtime, steps: int
    ) -> None:
        self._network = network
        self._clip = config.clip
        self._scaler = runtime.scaler
        self._optimiser = torch.optim.AdamW(
            network.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay
        )
        warmup = max(1, round(steps * config.warmup))
        self._schedule = LambdaLR(self._optimiser, partial(warm_cosine, warmup=warmup, steps=steps))
        self._average = (
            AveragedModel(network, multi_avg_fn=partial(average, config.ema), use_buffers=True)
            if config.ema
            else None
        )

    def __call__(self, loss: Tensor) -> None:
        self._scaler.scale(loss).backward()
        if self._clip:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._optimiser.zero_grad()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._network)

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    @property
    def network(self) -> nn.Module:
        """The network to validate and to ship: the averaged one if there is one."""
        return self._average.module if self._average else self._network

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": self._average.state_dict() if self._average else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        if self._average:
            self._average.load_state_dict(state["average"])


def warm_cosine(step: int, warmup: int, steps: int) -> float:
    """Share of the highest learning rate at a step: linear up, then half a cosine down to 0.

    Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, one cycle.
    """
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def average(
    decay: float, averaged: list[Tensor], current: list[Tensor], updates: Tensor | int
) -> None:
    """Moves the averaged tensors towards the current ones by 1 - decay, by more in the beginning.

    The first weights are far from good: (1 + n) / (10 + n) forgets them in tens of steps.
    """
    count = int(updates)
    decay = min(decay, (1 + count) / (10 + count))
    if averaged[0].is_floating_point():
        torch._foreach_lerp_(averaged, current, 1 - decay)
    else:  # counters of the normalisation layers
        torch._foreach_copy_(averaged, current)
