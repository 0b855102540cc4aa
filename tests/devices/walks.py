"""What training must do on any device; asserted on the real ones, and on the stand-in for an NPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training import checkpoint
from training.config import TrainConfig, make_config
from training.device import Runtime
from training.distributed import Ranks
from training.networks.unet import UNet
from training.optimise import Stepper
from training.train import train

SMALL = {"width": 2, "size": 16, "batch_size": 4, "epochs": 2}


def configure(kind: str, data: Path, out: Path, **changes: Any) -> TrainConfig:
    return make_config(data, **{**SMALL, "device": kind, "out": out, **changes})


def train_at_levels(kind: str, data: Path, runs: Path, **changes: Any) -> None:
    """Every level ends with float32 weights; fp16 alone is scaled."""
    for level in ("O0", "O1", "O2"):
        assert train(configure(kind, data, runs / level, opt_level=level, **changes)) == 0
        state = checkpoint.load(runs / level / "last.pt")
        assert bool(state["stepper"]["scaler"]) == (level != "O0"), "fp16 alone is scaled"
        assert all(weight.dtype != torch.float16 for weight in state["weights"].values())


def stop_after_an_epoch(config: TrainConfig) -> None:
    """Trains the first of the epochs: the checkpoint of the second is thrown away."""
    assert train(config) == 0
    (config.out / "previous.pt").replace(config.out / "last.pt")


def move_between_devices(kind: str, data: Path, runs: Path) -> None:
    """One epoch on each, and the other way round: as good as both on one."""
    losses = {}
    for first, second in ((kind, "cpu"), ("cpu", kind), ("cpu", "cpu")):
        run = f"{first}-{second}"
        # A lowest level of 1 x 1 would make much of the last digit, in which the devices differ.
        settings = {"warmup": 0.0, "ema": 0.0, "size": 32}
        stop_after_an_epoch(configure(first, data, runs / run, **settings))
        assert train(configure(second, data, runs / run, resume=True, **settings)) == 0
        rows = (runs / run / "metrics.csv").read_text().splitlines()[1:]
        losses[run] = [float(row.split(",")[1]) for row in rows]
        assert len(losses[run]) == 2
    for run in (f"{kind}-cpu", f"cpu-{kind}"):
        difference = max(abs(a - b) for a, b in zip(losses[run], losses["cpu-cpu"], strict=True))
        assert difference < 2e-3, losses


def resume(kind: str, data: Path, runs: Path) -> None:
    """A run of two epochs that was stopped after one ends with the weights of one that was not."""
    assert train(configure(kind, data, runs / "whole")) == 0
    stop_after_an_epoch(configure(kind, data, runs / "resumed"))
    assert train(configure(kind, data, runs / "resumed", resume=True)) == 0
    whole, resumed = (
        checkpoint.load(runs / name / "last.pt")["weights"] for name in ("whole", "resumed")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def overflow(kind: str, data: Path, runs: Path) -> None:
    """A step that overflows changes no weight and halves the scale; the next one learns."""
    config = configure(kind, data, runs / "overflow", opt_level="O2", ema=0.0)
    runtime = Runtime(config.device, level=config.level)
    network = runtime.place(UNet("attunet", 2))
    twin = runtime.precision.lower(network)
    step = Stepper(network, twin, config, runtime, Ranks(runtime.device), 1)
    images = runtime.send(torch.randint(256, (2, 16, 16, 3), dtype=torch.uint8))
    before = [weight.detach().cpu().clone() for weight in network.parameters()]
    scale = runtime.precision.scaler.get_scale()
    step(twin(images).float().mean() * 1e36)
    after = [weight.detach().cpu() for weight in network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after)) and scale == 2.0**16
    assert runtime.precision.scaler.get_scale() == scale / 2
    step(twin(images).float().mean() * 1e-2)
    assert any(not torch.equal(a, b.detach().cpu()) for a, b in zip(before, network.parameters()))


WALKS = (train_at_levels, overflow, resume, move_between_devices)
