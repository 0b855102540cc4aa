"""One step of optimisation: scale, accumulate, vote, clip, update, schedule, average."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from training.config import TrainConfig
from training.device import Runtime
from training.distributed import Ranks
from training.networks.average import MovingAverage
from training.precision import MasterWeights

MAX_SKIPPED = 5  # batches in a row without a finite loss, after which a run has diverged


class Stepper:
    """Turns losses into better weights: `step(loss)`.

    Adam (Kingma and Ba 2015, arXiv:1412.6980) or AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
    Each --accumulate losses make one update. A batch whose loss is not finite on any rank is skipped on
    all of them, and leaves no trace in the weights or in the statistics of normalisation.

    Args:
        network: the float32 network, whose weights learn.
        replica: the network that computes: the same, or its half-precision twin, or either of them as
            `Ranks.replicate` wraps it.
        steps: updates per epoch; with config.epochs, the length of the schedule.

    Attributes:
        lr: learning rate of the next update.
        diverged: True after MAX_SKIPPED batches in a row whose loss was not finite.
        between: True between the parts of a batch.
        network: the network to validate and to ship: the averaged one if there is one.
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
        self._config, self._runtime, self._ranks = config, runtime, ranks
        self._precision = runtime.precision
        self._masters = MasterWeights(network, ranks.unwrap(replica))
        self._optimiser = runtime.make_optimiser(
            network.parameters(),
            decoupled=config.optimiser == "adamw",
            lr=config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        self._schedule = make_schedule(config, steps)
        self._average = MovingAverage(network, config.ema) if config.ema else None
        self._buffers = list(network.buffers())
        self._good_buffers = [buffer.clone() for buffer in self._buffers]
        self._steps, self._updates = steps, 0
        self._part = 0
        self._losses: list[Tensor] = []  # of the parts of this batch
        self._skipped = 0
        self._expect_gradients()

    def __call__(self, loss: Tensor) -> None:
        """Adds a loss to the batch's; after its last part, updates the weights."""
        self._precision.scaler.scale(loss / self._config.accumulate).backward()
        self._losses.append(loss.detach())
        self._part = (self._part + 1) % self._config.accumulate
        self._expect_gradients()
        if self.between:
            return
        norm = self._collect_gradients()
        # An adaptive scale skips overflows by itself, and learns from them.
        judged = self._losses if self._precision.scale_adapts else [*self._losses, norm]
        # The only wait of a step for the device, once its backward pass and clipping are queued.
        usable = bool(torch.stack(judged).isfinite().all())
        if self._ranks.any(not usable):
            self._skip()
        else:
            self._update()
        self._precision.update_scale()
        self._losses.clear()
        self._updates += 1
        self._optimiser.zero_grad()

    def settle(self, forward: Callable[[Tensor], Tensor], images: Tensor) -> None:
        """Throws away one pass, so that what follows adds up gradients in the order of an older run.

        The first pass in which ranks exchange gradients decides in which order three or more of them are
        summed from then on. A resumed run goes on with the later order; call this before its state is
        loaded.

        Args:
            forward: computes logits of uint8 images, on every rank.
            images: as many as a part of a batch has; what they show does not matter.
        """
        self._ranks.sync_gradients(self._replica, True)
        with self._precision.autocast():
            logits = forward(images)
        logits.float().mean().backward()
        self._replica.zero_grad()
        self._expect_gradients()

    @property
    def between(self) -> bool:
        return self._part > 0

    @property
    def diverged(self) -> bool:
        return self._skipped >= MAX_SKIPPED

    @property
    def lr(self) -> float:
        return self._config.lr * self._schedule(self._updates)

    def lr_of(self, epoch: int) -> float:
        """Learning rate of an epoch's first update."""
        return self._config.lr * self._schedule(epoch * self._steps)

    @property
    def network(self) -> nn.Module:
        return self._average.network if self._average else self._network

    def state_dict(self) -> dict[str, Any]:
        """Optimiser, number of updates, gradient scaler and averaged weights."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "updates": self._updates,
            "scaler": self._precision.scaler.state_dict(),
            "average": self._average.state_dict() if self._average else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Loads what `state_dict` returned; load the network's own weights first."""
        self._runtime.restore_optimiser(self._optimiser, state["optimiser"])
        self._precision.restore_scaler(state["scaler"])
        self._updates = state["updates"]
        if self._average:
            self._average.load_state_dict(state["average"])
        torch._foreach_copy_(self._good_buffers, self._buffers)
        self._masters.update_twin()

    def _expect_gradients(self) -> None:
        """Ranks exchange gradients in the last part of a batch only."""
        self._ranks.sync_gradients(self._replica, self._part == self._config.accumulate - 1)

    def _collect_gradients(self) -> Tensor:
        """Makes the float32 gradients of a batch, unscaled and clipped; their norm before that."""
        self._masters.take_gradients()
        self._precision.scaler.unscale_(self._optimiser)
        return nn.utils.clip_grad_norm_(
            self._network.parameters(), self._config.clip or math.inf, foreach=True
        )

    def _update(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self.lr
        self._precision.scaler.step(self._optimiser)
        self._masters.update_twin()
        torch._foreach_copy_(self._good_buffers, self._buffers)
        if self._average:
            self._average.update()
        self._skipped = 0

    def _skip(self) -> None:
        torch._foreach_copy_(self._buffers, self._good_buffers)
        self._skipped += 1


def make_schedule(config: TrainConfig, steps: int) -> Callable[[int], float]:
    """The learning rate as a share of the peak, by update.

    Args:
        steps: updates per epoch.
    """
    total = steps * config.epochs
    warmup = round(total * config.warmup)
    fall = (
        partial(cosine, warmup=warmup, total=total)
        if config.schedule == "cosine"
        else partial(linear, steps=steps, epochs=config.epochs, decay_epochs=config.decay_epochs)
    )

    def share(update: int) -> float:
        return (update + 1) / warmup if update < warmup else fall(update)

    return share


def cosine(update: int, warmup: int, total: int) -> float:
    """Half a cosine from 1 down to 0: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5."""
    done = min(1.0, (update - warmup) / max(1, total - warmup))
    return (1 + math.cos(math.pi * done)) / 2


def linear(update: int, steps: int, epochs: int, decay_epochs: int) -> float:
    """1, then less by an equal amount after each of the last epochs: the reference's schedule."""
    decayed = max(0, update // steps - (epochs - decay_epochs))
    return max(0.0, 1 - decayed / decay_epochs)
