"""Training on the accelerator of this machine; skipped where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

from tests.devices.walks import WALKS
from tests.source_tree import ROOT
from training.networks.blocks import Upsample
from training.records.run_folder import read_metrics

FOUND = torch.accelerator.current_accelerator(check_available=True)
KIND = FOUND.type if FOUND else "cpu"
pytestmark = pytest.mark.skipif(KIND == "cpu", reason="torch finds no accelerator on this machine")


@pytest.fixture
def deterministic() -> Iterator[None]:
    """The same kernels every time, where the device has them to choose."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = before


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_training_does_what_it_must(
    walk: Callable[[str, Path, Path], None], deterministic: None, data: Path, tmp_path: Path
) -> None:
    walk(KIND, data, tmp_path)


def test_upsampling_stays_in_half_precision() -> None:
    x = torch.rand(1, 2, 4, 4, device=KIND)
    with torch.autocast(KIND, torch.float16):
        assert Upsample()(x.half()).dtype == torch.float16
        assert torch.equal(Upsample()(x), interpolate(x, scale_factor=2))


def test_two_ranks_agree_with_one(data: Path, tmp_path: Path) -> None:
    count = torch.accelerator.device_count()
    if count < 2:
        pytest.skip(f"{count} device: two ranks need two")
    losses = []
    for devices in ("0,1", "0"):
        out = tmp_path / devices
        flags = "--width 2 --size 16 --batch-size 4 --epochs 1 --augmentation none --sync-batchnorm"
        command = [sys.executable, "-m", "training.train", "--data", data, "--out", out]
        subprocess.run(
            [*map(str, command), *flags.split(), "--device", KIND, "--device-list", devices],
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        record = json.loads((out / "environment.json").read_text())
        assert record["ranks"] == len(devices.split(","))
        losses.append(read_metrics(out / "metrics.csv")[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
