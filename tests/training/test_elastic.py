"""A process is killed under torchrun: all start again, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.source_tree import ROOT
from training import checkpoint

RANKS = int(os.environ.get("ELASTIC_RANKS", 3))  # of two, any order gives the same sum
TORCHRUN = f"-m torch.distributed.run --standalone --nproc-per-node {RANKS} --max-restarts 2"
TRAIN = f"--width 4 --size 64 --batch-size {2 * RANKS} --epochs 2 --save-every 2 --device cpu"


def run(*program: object, data: Path, out: Path) -> dict[str, torch.Tensor]:
    """Trains under torchrun. The weights at the end."""
    command = [sys.executable, *TORCHRUN.split(), *program, *TRAIN.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = out.with_suffix(".log")
    with log.open("w") as said:
        code = subprocess.call(
            [*map(str, command), "--data", str(data), "--out", str(out)],
            env=environment,
            stdout=said,
            stderr=said,
            timeout=300,
        )
    assert code == 0, log.read_text()
    return checkpoint.load(out / "last.pt")["weights"]


@pytest.fixture(scope="module")
def expected(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of a run in which nobody was killed."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    return run("-m", "training.train", data=data, out=out)


@pytest.mark.parametrize("killed", [0, RANKS - 1])
def test_a_killed_rank_leaves_no_trace_in_the_weights(
    killed: int, expected: dict[str, torch.Tensor], data: Path, tmp_path: Path
) -> None:
    """In the middle of the second epoch, after a save."""
    updates = len(list((data / "train").glob("*.*"))) // (2 * RANKS)
    script = Path(__file__).with_name("killed_rank.py")
    mark, out = tmp_path / "killed", tmp_path / "run"
    found = run(script, killed, updates + updates // 2, mark, data=data, out=out)
    log = out.with_suffix(".log").read_text()
    assert mark.exists() and log.count("device cpu, ") == 2, log
    assert "Traceback" not in log, log
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    folders = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    assert folders == ["run"]  # not two
