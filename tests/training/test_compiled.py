from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from training import checkpoint
from training import train as story
from training.config import make_config
from training.journal import read_metrics
from training.train import train

NARROW = "--arch unet --size 32 --epochs 2".split()


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
@pytest.mark.parametrize(("ranks", "level"), [(1, "O1"), (2, "O0")])
def test_compiled_steps_train_as_plain_ones_and_go_on(
    ranks: int,
    level: str,
    train_in_process: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second epoch is that of a plain run that was resumed with --compile."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    flags = [*NARROW, "--opt-level", level, "--lr", "1e-4"]
    losses = []
    for name in ("plain", "compiled"):
        run = tmp_path / name
        compiled = ["--compile"] * (name == "compiled")
        train_in_process(*flags, *compiled, "--out", run, ranks=ranks)
        (run / "previous.pt").replace(run / "last.pt")  # the state after the first epoch
        train_in_process(*flags, "--compile", "--resume", "--out", run, ranks=ranks)
        losses.append([row["loss"] for row in read_metrics(run / "metrics.csv")])
        assert checkpoint.load(run / "last.pt")["epoch"] == 2
    assert len(losses[0]) == 2 and losses[1] == pytest.approx(losses[0], rel=2e-3)


def test_without_a_compiler_the_error_names_the_cure(
    train_in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    output = train_in_process(*NARROW, "--compile", "--out", tmp_path / "run", code=2)
    assert "--compile: " in output and "g++" in output and "Traceback" not in output
