"""A process is killed under torchrun: all start again, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.source_tree import ROOT
from training import checkpoint

RANKS = int(os.environ.get("ELASTIC_RANKS", 2))
TORCHRUN = f"-m torch.distributed.run --standalone --nproc-per-node {RANKS} --max-restarts 2"
TRAIN = f"-m training.train --width 4 --size 64 --batch-size {2 * RANKS} --epochs 2 --save-every 2"
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are told apart in /proc"
)


def find_rank(rank: int, root: int) -> int | None:
    """The process of a rank among the children of torchrun."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (folder / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):  # it has ended since
            continue
        if parent == root and f"RANK={rank}".encode() in variables:
            return int(folder.name)
    return None


def run(data: Path, out: Path, killed: int | None = None) -> dict[str, torch.Tensor]:
    """Trains; kills a rank with -9 in the middle of the second epoch. The weights at the end."""
    command = [sys.executable, *TORCHRUN.split(), *TRAIN.split(), "--data", data, "--out", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = out.with_suffix(".log")
    with log.open("w") as said:
        running = subprocess.Popen(
            [*map(str, command), "--device", "cpu"], env=environment, stdout=said, stderr=said
        )
        try:
            if killed is not None:
                kill(running, killed, out)
            code = running.wait(timeout=300)
        finally:
            if running.poll() is None:
                running.terminate()
                running.wait(timeout=60)
    assert code == 0, log.read_text()
    return checkpoint.load(out / "last.pt")["weights"]


def kill(running: subprocess.Popen[bytes], rank: int, out: Path) -> None:
    """Kills a rank once the second epoch has saved a step of its own."""
    saves: set[int] = set()  # after the first epoch
    while len(saves) < 2:
        assert running.poll() is None
        if (out / "metrics.csv").exists():
            try:
                saves.add((out / "last.pt").stat().st_mtime_ns)
            except FileNotFoundError:  # about to be replaced
                continue
        time.sleep(0.01)
    process = find_rank(rank, running.pid)
    assert process
    os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("killed", [0, RANKS - 1])
def test_a_killed_rank_leaves_no_trace_in_the_weights(
    killed: int, data: Path, tmp_path: Path
) -> None:
    expected = run(data, tmp_path / "undisturbed")
    found = run(data, tmp_path / "disturbed", killed)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert f"exitcode: -{signal.SIGKILL:d}" in (tmp_path / "disturbed.log").read_text()
    folders = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    assert sorted(folders) == ["disturbed", "undisturbed"]  # one run, not two
