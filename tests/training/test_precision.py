from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from training import checkpoint
from training import train as story
from training.config import make_config
from training.device import Runtime
from training.precision import Half, Level, MasterWeights
from training.run_folder import read_metrics
from training.train import train

RANKS = int(os.environ.get("COMPILED_RANKS", "1"))  # minutes of compiling for each
NARROW = "--arch unet --size 32 --epochs 2".split()


@pytest.mark.parametrize(
    ("level", "half", "scaled"),
    [("O0", "fp16", False), ("O1", "bf16", False), ("O1", "fp16", True), ("O2", "auto", False)],
)
def test_only_fp16_gradients_are_scaled(level: Level, half: Half, scaled: bool) -> None:
    for loss_scale in ("dynamic", 128.0):
        precision = Runtime("cpu", level=level, half=half, loss_scale=loss_scale).precision
        assert precision.scaler.is_enabled() == scaled
        assert precision.scale_adapts == (scaled and loss_scale == "dynamic")


def test_a_scaler_keeps_its_scale_where_a_run_goes_on_and_takes_none_from_one_that_had_none() -> (
    None
):
    first, second = (Runtime("cpu", level="O1", half="fp16").precision for _ in range(2))
    first.scaler.load_state_dict({**first.scaler.state_dict(), "scale": 2.0**9})
    second.restore_scaler(first.scaler.state_dict())
    assert second.scaler.get_scale() == 2.0**9
    second.restore_scaler(Runtime("cpu").precision.scaler.state_dict())
    assert second.scaler.get_scale() == 2.0**9


def test_the_twin_of_o2_shares_normalisation_and_gives_its_gradients_to_the_master_weights() -> (
    None
):
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    twin = Runtime("cpu", level="O2").precision.lower(network)
    masters = MasterWeights(network, twin)
    assert twin[1] is network[1] and twin[0].weight.dtype == torch.bfloat16
    for value in (2.0, 3.0):
        twin[0].weight.grad = torch.full_like(twin[0].weight, value)
        twin[0].bias.grad = torch.zeros_like(twin[0].bias)
        masters.take_gradients()
        assert network[0].weight.grad.dtype == torch.float32
        assert network[0].weight.grad.item() == value and twin[0].weight.grad is None
    network[0].weight.data.fill_(0.3)
    masters.update_twin()
    assert torch.equal(twin[0].weight, network[0].weight.bfloat16())


def test_only_compile_compiles_and_it_compiles_what_computes(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def compile_network(network: torch.nn.Module) -> torch.nn.Module:
        compiled.append(network)
        return network

    monkeypatch.setattr(story, "compile_network", compile_network)
    tiny = {"device": "cpu", "width": 2, "size": 16, "batch_size": 4, "epochs": 1}
    train(make_config(dataset, out=tmp_path / "plain", **tiny))
    assert not compiled
    train(make_config(dataset, out=tmp_path / "compiled", compile=True, **tiny))
    assert len(compiled) == 1


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler: no g++")
def test_compiled_steps_train_as_plain_ones_and_go_on(
    train_in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain run, and one whose first epoch was plain and that goes on compiled."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    flags = [*NARROW, "--opt-level", "O1", "--lr", "1e-4", "--out", tmp_path / "run"]
    train_in_process(*flags, ranks=RANKS)
    plain = [row["loss"] for row in read_metrics(tmp_path / "run" / "metrics.csv")]
    (tmp_path / "run" / "previous.pt").replace(tmp_path / "run" / "last.pt")  # after one epoch
    train_in_process(*flags, "--compile", "--resume", ranks=RANKS)
    compiled = [row["loss"] for row in read_metrics(tmp_path / "run" / "metrics.csv")]
    assert checkpoint.load(tmp_path / "run" / "last.pt")["epoch"] == 2
    assert len(plain) == 2 and compiled == pytest.approx(plain, rel=2e-3)


def test_without_a_compiler_the_error_names_the_fix(
    train_in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    output = train_in_process(*NARROW, "--compile", "--out", tmp_path / "run", code=2)
    assert "--compile: " in output and "g++" in output and "Traceback" not in output
