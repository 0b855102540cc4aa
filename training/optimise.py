"""One step of optimisation: scale, accumulate, vote, clip, update, schedule, average."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from inference.errors import InputError
from training.config import TrainConfig
from training.device import Runtime
from training.distributed import Ranks

PATIENCE = 5  # steps in a row without a finite loss, after which the run is given up


class Stepper:
    """Turns losses into better weights: `step(loss)`.

    Adam (Kingma and Ba 2015, arXiv:1412.6980) or AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
    Each --accumulate losses make one update. A batch whose loss is not finite on any rank is passed over
    on all of them, and leaves no trace in the weights or in the statistics of normalisation.

    Args:
        network: the float32 network, whose weights are kept.
        replica: the network that computes: the same, its half-precision twin, or a distributed wrapper.
        steps: updates an epoch: with the epochs, the length of the schedule.

    Attributes:
        lr: learning rate of the next update.
        between: True between the parts of a batch.
    """

    def __init__(
        self,
        network: nn.Module,
        replica: nn.Module,
        config: TrainConfig,
        runtime: Runtime,
        ranks: Ranks,
        steps: int,
    ) -> None:
        self._network, self._replica = network, replica
        self._runtime, self._ranks = runtime, ranks
        self._config = config
        inner = replica.module if isinstance(replica, DistributedDataParallel) else replica
        weights, working = list(network.parameters()), list(inner.parameters())
        # At O2 these differ: float32 master weights, and the half ones that compute (Micikevicius et al.
        # 2018, arXiv:1710.03740, section 3.1).
        self._masters = [
            (own, half) for own, half in zip(weights, working, strict=True) if own is not half
        ]
        self._optimiser = runtime.make_optimiser(weights, config)
        self._schedule = make_schedule(config, steps)
        self._average = (
            AveragedModel(network, multi_avg_fn=partial(average, config.ema), use_buffers=True)
            if config.ema
            else None
        )
        self._buffers = list(network.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]
        self._steps, self._updates = steps, 0
        self._part = 0
        self._finite = True
        self._passed_over = 0
        self._expect_gradients()

    def __call__(self, loss: Tensor) -> None:
        """Adds a loss to the batch's; after its last part, updates the weights.

        Raises:
            InputError: the loss has not been finite for a while.
        """
        self._runtime.scaler.scale(loss / self._config.accumulate).backward()
        # Read after the backward pass was queued, so that the device has work while it is waited for.
        self._finite = self._finite and math.isfinite(loss.item())
        self._part = (self._part + 1) % self._config.accumulate
        self._expect_gradients()
        if self.between:
            return
        usable = self._collect_gradients()
        if self._ranks.any(not (usable and self._finite)):
            self._pass_over()
        else:
            self._update()
        self._runtime.update_scale()
        self._finite = True
        self._updates += 1
        for _, half in self._masters:
            half.grad = None
        self._optimiser.zero_grad()

    @property
    def between(self) -> bool:
        return self._part > 0

    @property
    def lr(self) -> float:
        return self._config.lr * self._schedule(self._updates)

    def lr_of(self, epoch: int) -> float:
        """Learning rate of an epoch's first update."""
        return self._config.lr * self._schedule(epoch * self._steps)

    @property
    def network(self) -> nn.Module:
        """The network to validate and to ship: the averaged one if there is one."""
        return self._average.module if self._average else self._network

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimiser": self._optimiser.state_dict(),
            "updates": self._updates,
            "scaler": self._runtime.scaler.state_dict(),
            "average": self._average.state_dict() if self._average else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what `state_dict` returned; the network's own weights must have been loaded."""
        self._runtime.restore(self._optimiser, state["optimiser"], state["scaler"])
        self._updates = state["updates"]
        if self._average:
            self._average.load_state_dict(state["average"])
        torch._foreach_copy_(self._kept, self._buffers)
        self._copy_masters()

    def _expect_gradients(self) -> None:
        """Ranks exchange gradients in a batch's last part alone."""
        if isinstance(self._replica, DistributedDataParallel):
            last = self._part == self._config.accumulate - 1
            self._replica.require_backward_grad_sync = last

    def _collect_gradients(self) -> bool:
        """Makes the float32 gradients of a batch, unscaled and clipped; False if they are of no use."""
        for master, half in self._masters:
            assert half.grad is not None, "every weight takes part in the loss"
            if master.grad is None:
                master.grad = half.grad.float()
            else:  # zeroed, not taken away: its optimiser holds on to it
                master.grad.copy_(half.grad)
        self._runtime.scaler.unscale_(self._optimiser)
        norm = nn.utils.clip_grad_norm_(
            self._network.parameters(), self._config.clip or math.inf, foreach=True
        )
        # A scale that adapts passes over its overflows by itself, and learns from them.
        return self._runtime.scale_adapts or math.isfinite(norm.item())

    def _update(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self.lr
        self._runtime.scaler.step(self._optimiser)
        self._copy_masters()
        torch._foreach_copy_(self._kept, self._buffers)
        if self._average:
            self._average.update_parameters(self._network)
        self._passed_over = 0

    @torch.no_grad()
    def _copy_masters(self) -> None:
        for master, half in self._masters:
            half.copy_(master)

    def _pass_over(self) -> None:
        torch._foreach_copy_(self._buffers, self._kept)
        self._passed_over += 1
        if self._passed_over == PATIENCE:
            raise InputError(
                f"--lr {self._config.lr}: the loss is not finite for {PATIENCE} batches in a row; the "
                "last checkpoint is whole; train with a lower rate, or with --opt-level O0"
            )


def make_schedule(config: TrainConfig, steps: int) -> Callable[[int], float]:
    """The learning rate as a share of the highest, by update; `steps` updates are an epoch."""
    total = steps * config.epochs
    warmup = round(total * config.warmup)
    fall = cosine if config.schedule == "cosine" else linear

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return fall(step, warmup, steps, config)

    return share


def cosine(step: int, warmup: int, steps: int, config: TrainConfig) -> float:
    """Half a cosine from 1 down to 0: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5."""
    total = steps * config.epochs
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return (1 + math.cos(math.pi * done)) / 2


def linear(step: int, warmup: int, steps: int, config: TrainConfig) -> float:
    """1, then less by the same amount after each of the last epochs: the reference's schedule."""
    last = max(0, step // steps - (config.epochs - config.decay_epochs))
    return max(0.0, 1 - last / config.decay_epochs)


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
