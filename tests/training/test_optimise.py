from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from training.config import TrainConfig, make_config
from training.device import Runtime
from training.distributed import Ranks
from training.loss import LOSSES
from training.networks.unet import UNet
from training.optimise import MAX_SKIPPED, Stepper, make_schedule
from training.synthetic.lesion import make_lesion

LEVELS = [
    {"opt_level": "O0"},
    {"opt_level": "O1"},
    {"opt_level": "O2"},
    {"opt_level": "O1", "amp_dtype": "fp16"},
    {"opt_level": "O2", "amp_dtype": "fp16"},
    {"opt_level": "O2", "amp_dtype": "fp16", "loss_scale": 128.0},
]


class Trainer:
    """A tiny network on two made-up lesions."""

    def __init__(self, steps: int = 10, **changes: Any) -> None:
        settings = {"device": "cpu", "ema": 0.0, "epochs": 1, "warmup": 0.0, **changes}
        self.config: TrainConfig = make_config(Path("d"), **settings)
        self.runtime = Runtime(
            "cpu",
            level=self.config.level,
            half=self.config.amp_dtype,
            loss_scale=self.config.loss_scale,
        )
        torch.manual_seed(0)
        self.network = self.runtime.place(UNet("attunet", 4))
        self.replica = self.runtime.precision.lower(self.network)
        ranks = Ranks(self.runtime.device)
        self.step = Stepper(self.network, self.replica, self.config, self.runtime, ranks, steps)
        pairs = [make_lesion(np.random.default_rng(i), 32, 32) for i in range(4)]
        self.images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        self.masks = torch.from_numpy(np.stack([mask // 255 for _, mask in pairs]))

    def loss(self, images: slice = slice(None)) -> torch.Tensor:
        with self.runtime.precision.autocast():
            logits = self.replica(self.images[images])
        return LOSSES[self.config.loss](logits, self.masks[images])

    def train(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            loss = self.loss()
            self.step(loss)
            losses.append(loss.item())
        return losses

    def weights(self) -> torch.Tensor:
        weights = self.network.parameters()
        return torch.cat([weight.detach().flatten() for weight in weights])


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: "-".join(map(str, level.values())))
def test_every_level_of_precision_converges(level: dict[str, Any]) -> None:
    """Each overfits the same few images as float32 does."""
    trainer = Trainer(steps=60, lr=0.05, loss="bce", **level)
    losses = trainer.train(60)
    assert losses[0] > 0.6 and losses[-1] < 0.3
    assert all(weight.dtype == torch.float32 for weight in trainer.network.parameters())


def test_o2_computes_in_half_and_keeps_masters_and_normalisation_in_float() -> None:
    trainer = Trainer(opt_level="O2")
    half = {
        name
        for name, weight in trainer.replica.named_parameters()
        if weight.dtype == torch.bfloat16
    }
    norms = {
        f"{name}.{part}"
        for name, module in trainer.replica.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    assert norms and half == {name for name, _ in trainer.replica.named_parameters()} - norms
    trainer.step(trainer.loss())
    for (name, master), (_, working) in zip(
        trainer.network.named_parameters(), trainer.replica.named_parameters(), strict=True
    ):
        assert torch.equal(master.to(working.dtype), working), name
    # Updates that half precision would round away are kept.
    masters = [weight for weight in trainer.network.parameters() if weight.dim() == 4]
    assert any(not torch.equal(weight, weight.bfloat16().float()) for weight in masters)


def test_gradients_of_o2_arrive_in_half() -> None:
    trainer = Trainer(opt_level="O2", amp_dtype="fp16")
    trainer.loss().backward()
    assert trainer.replica.head.weight.grad.dtype == torch.float16  # type: ignore[union-attr]


@pytest.mark.parametrize("level", LEVELS[:3], ids=lambda level: level["opt_level"])
def test_a_batch_in_parts_is_the_batch(level: dict[str, Any]) -> None:
    """With frozen statistics: those of normalisation are of a part's own images."""
    updated = []
    for parts in (1, 4):
        trainer = Trainer(accumulate=parts, optimiser="adam", lr=1e-3, **level)
        trainer.network.eval(), trainer.replica.eval()
        before = trainer.weights()
        size = len(trainer.images) // parts
        for part in range(parts):
            assert torch.equal(trainer.weights(), before)
            trainer.step(trainer.loss(slice(part * size, (part + 1) * size)))
        updated.append(trainer.weights())
        assert not torch.equal(updated[-1], before) and not trainer.step.between
    difference = (updated[0] - updated[1]).abs()
    assert difference.mean() < (2e-6 if level["opt_level"] == "O0" else 2e-4)


def test_clipping_bounds_the_norm_of_all_gradients() -> None:
    trainer = Trainer(clip=0.01)
    seen = []
    step = trainer.step._optimiser.step

    def spy(*arguments: Any) -> None:
        gradients = [weight.grad for weight in trainer.network.parameters()]
        seen.append(torch.stack([g.norm() for g in gradients if g is not None]).norm().item())
        step(*arguments)

    trainer.step._optimiser.step = spy  # type: ignore[method-assign]
    trainer.train(1)
    assert seen == [pytest.approx(0.01, rel=1e-3)]


@pytest.mark.parametrize("level", [LEVELS[0], LEVELS[2], LEVELS[4]], ids=lambda level: str(level))
def test_a_loss_that_is_not_finite_leaves_no_trace(level: dict[str, Any]) -> None:
    trainer = Trainer(ema=0.9, **level)
    trainer.train(1)
    state = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    average = {k: v.clone() for k, v in trainer.step.network.state_dict().items()}
    trainer.step(trainer.loss() * float("nan"))
    for key, value in trainer.network.state_dict().items():
        assert torch.equal(value, state[key]), key
    for key, value in trainer.step.network.state_dict().items():
        assert torch.equal(value, average[key]), key
    assert torch.isfinite(trainer.loss())


def test_a_step_waits_once_for_its_device_however_many_parts_it_has() -> None:
    class Waits(TorchDispatchMode):
        """Counts the numbers that are read from tensors."""

        count = 0

        def __torch_dispatch__(
            self, operator: Any, types: Any, arguments: Any = (), options: Any = None
        ) -> Any:
            self.count += operator is torch.ops.aten._local_scalar_dense.default
            return operator(*arguments, **(options or {}))

    for changes in ({}, {"accumulate": 4}):
        trainer = Trainer(ema=0.9, **changes)
        trainer.train(4)
        with Waits() as waits:
            for _ in range(trainer.config.accumulate):
                trainer.step(trainer.loss())
        assert waits.count == 1, changes


def test_losses_that_stay_not_finite_are_a_divergence() -> None:
    trainer = Trainer()
    for _ in range(MAX_SKIPPED - 1):
        trainer.step(trainer.loss() * float("inf"))
    trainer.train(1)  # a good one in between
    for _ in range(MAX_SKIPPED - 1):
        trainer.step(trainer.loss() * float("nan"))
    assert not trainer.step.diverged
    trainer.step(trainer.loss() * float("nan"))
    assert trainer.step.diverged


def test_a_dynamic_scale_falls_at_an_overflow_and_a_fixed_one_stays() -> None:
    for scale, after in (("dynamic", 2.0**15), (2.0**16, 2.0**16)):
        trainer = Trainer(opt_level="O1", amp_dtype="fp16", loss_scale=scale)
        before = trainer.weights()
        trainer.step(trainer.loss() * 1e36)  # finite, but not after the scale
        assert torch.equal(trainer.weights(), before)
        assert trainer.runtime.precision.scaler.get_scale() == after
        trainer.train(1)
        assert not torch.equal(trainer.weights(), before)


def test_the_reference_schedule_is_constant_then_falls_epoch_by_epoch() -> None:
    share = make_schedule(make_config(Path("d"), "reference"), steps=10)
    rates = [share(10 * epoch + 9) for epoch in range(150)]
    assert rates[:81] == [1.0] * 81
    assert all(share(10 * epoch) == rates[epoch] for epoch in range(150))
    assert rates[81] == pytest.approx(1 - 1 / 70) and rates[149] == pytest.approx(1 / 70)


def test_the_default_schedule_warms_up_and_ends_at_nothing() -> None:
    share = make_schedule(make_config(Path("d"), epochs=10, warmup=0.2), steps=10)
    rates = [share(step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 20) and rates[19] == rates[20] == 1.0
    assert rates[60] == pytest.approx(0.5) and rates[100] == pytest.approx(0, abs=1e-12)
    assert rates[20:] == sorted(rates[20:], reverse=True)


@pytest.mark.parametrize("decoupled", ["adamw", "adam"])
def test_the_optimiser_is_the_one_asked_for(decoupled: str) -> None:
    trainer = Trainer(optimiser=decoupled, momentum=(0.5,), weight_decay=0.3, lr=0.7)
    (group,) = trainer.step._optimiser.param_groups
    assert type(trainer.step._optimiser).__name__.lower() == decoupled
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.7, (0.5, 0.999), 0.3)
