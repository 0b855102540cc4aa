"""Trains on the stand-in for an NPU, in a process of its own: `walk.py DATA RUNS`. Fails by assertion."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from tests.devices.walks import WALKS
from training.device import Runtime

DATA, RUNS = map(Path, sys.argv[1:])


def check_settings() -> None:
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


for number, walk in enumerate(WALKS):
    walk("npu", DATA, RUNS)
    if number == 1:  # after half precision
        check_settings()
