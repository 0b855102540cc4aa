"""Trains on the stand-in for an NPU, in a process of its own: `walk.py DATA RUNS`. Fails by assertion."""

from __future__ import annotations

import sys
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

DATA, RUNS = map(Path, sys.argv[1:])
SMALL = {"width": 2, "size": 16, "batch_size": 4, "epochs": 2}


def configure(name: str, **changes: Any) -> TrainConfig:
    return make_config(DATA, **{**SMALL, "device": "npu", "out": RUNS / name, **changes})


def walk_levels() -> None:
    for level in ("O0", "O1", "O2"):
        assert train(configure(level, opt_level=level)) == 0
        state = checkpoint.load(RUNS / level / "last.pt")
        assert bool(state["stepper"]["scaler"]) == (level != "O0"), "fp16 alone is scaled"
        assert all(weight.dtype != torch.float16 for weight in state["weights"].values())


def walk_between_devices() -> None:
    """One epoch on each, and the other way round: as good as both on one."""
    losses = {}
    for first, second in (("npu", "cpu"), ("cpu", "npu"), ("cpu", "cpu")):
        run = f"{first}-{second}"
        # A lowest level of 1 x 1 would make much of the last digit, in which the devices differ.
        settings = {"warmup": 0.0, "ema": 0.0, "size": 32}
        stop_after_an_epoch(configure(run, device=first, **settings))
        resumed = configure(run, device=second, resume=True, **settings)
        assert train(resumed) == 0
        rows = (RUNS / run / "metrics.csv").read_text().splitlines()[1:]
        losses[run] = [float(row.split(",")[1]) for row in rows]
        assert len(losses[run]) == 2
    for run in ("npu-cpu", "cpu-npu"):
        difference = max(abs(a - b) for a, b in zip(losses[run], losses["cpu-cpu"], strict=True))
        assert difference < 2e-3, losses


def stop_after_an_epoch(config: TrainConfig) -> None:
    """Trains the first of the epochs: the checkpoint of the second is thrown away."""
    assert train(config) == 0
    folder = config.out
    (folder / "previous.pt").replace(folder / "last.pt")


def walk_overflow() -> None:
    config = configure("overflow", opt_level="O2", ema=0.0)
    runtime = Runtime("npu", level=config.level)
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


def walk_settings() -> None:
    import torch_npu

    assert torch_npu.settings == {
        "jit_compile": False,
        "scaler": True,
        "optimiser": "NpuFusedAdamW",
    }
    assert torch_npu.npu.config.allow_internal_format is False
    runtime = Runtime("npu")
    weights = [torch.zeros(1, requires_grad=True)]
    runtime.make_optimiser(weights, decoupled=False, lr=1e-3, betas=(0.9, 0.999), weight_decay=0)
    assert torch_npu.settings["optimiser"] == "NpuFusedAdam"
    assert runtime.precision.half == torch.float16 and str(runtime.device) == "npu:0"


walk_levels()
walk_overflow()
walk_settings()
walk_between_devices()
