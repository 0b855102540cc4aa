from __future__ import annotations

import os
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

RANKS = int(os.environ.get("COMPILED_RANKS", "1"))  # minutes of compiling for each
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
def test_compiled_steps_train_as_plain_ones_and_go_on(
    train_in_process: Any, tmp_path: Path
) -> None:
    """A plain run, and one whose first epoch was plain and that goes on compiled.

    A minute of compiling at first; torch keeps what it compiled, by content.
    """
    flags = [*NARROW, "--opt-level", "O1", "--lr", "1e-4", "--out", tmp_path / "run"]
    train_in_process(*flags, ranks=RANKS)
    plain = [row["loss"] for row in read_metrics(tmp_path / "run" / "metrics.csv")]
    (tmp_path / "run" / "previous.pt").replace(tmp_path / "run" / "last.pt")  # after one epoch
    train_in_process(*flags, "--compile", "--resume", ranks=RANKS)
    compiled = [row["loss"] for row in read_metrics(tmp_path / "run" / "metrics.csv")]
    assert checkpoint.load(tmp_path / "run" / "last.pt")["epoch"] == 2
    assert len(plain) == 2 and compiled == pytest.approx(plain, rel=2e-3)


def test_without_a_compiler_the_error_names_the_cure(
    train_in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    output = train_in_process(*NARROW, "--compile", "--out", tmp_path / "run", code=2)
    assert "--compile: " in output and "g++" in output and "Traceback" not in output
