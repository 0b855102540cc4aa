"""The path of an NPU, walked without one: the stand-in beside this file takes torch_npu's name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# ninja is installed beside Python, where an environment that was not activated does not look.
TOOLS = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
TINY = "--width 2 --size 16 --batch-size 4 --epochs 1 --device npu".split()


def environment(stand_in: bool = True) -> dict[str, str]:
    paths = [str(ROOT)] + ([str(HERE)] if stand_in else [])
    variables = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0", "PYTHONPATH": os.pathsep.join(paths)}
    return {**os.environ, **variables, "PATH": TOOLS, "OMP_NUM_THREADS": "1"}


def run(*arguments: str | Path, stand_in: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(stand_in), cwd=ROOT
    )


needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") and shutil.which("ninja", path=TOOLS)),
    reason="the stand-in for an NPU is compiled: g++ and ninja are needed",
)


@needs_compiler
def test_levels_overflow_settings_and_checkpoints(dataset: Path, tmp_path: Path) -> None:
    ended = run(HERE / "walk.py", dataset, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_compiler
def test_two_ranks_over_hccl_agree_with_one(dataset: Path, tmp_path: Path) -> None:
    shared = ["-m", "training.train", "--data", dataset, *TINY, "--augmentation", "none"]
    losses = []
    for devices in ("0,1", "1"):
        out = tmp_path / devices
        ended = run(*shared, "--sync-batchnorm", "--out", out, "--device-list", devices)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        record = json.loads((out / "environment.json").read_text())
        assert (record["ranks"], record["device"]) == (len(devices.split(",")), f"npu:{devices[0]}")
        losses.append(float((out / "metrics.csv").read_text().splitlines()[1].split(",")[1]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_without_cann_the_error_names_the_cure() -> None:
    ended = run("-m", "training.train", "--data", "d", *TINY, stand_in=False)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    for word in ("CANN", "set_env.sh", "TORCH_DEVICE_BACKEND_AUTOLOAD=0"):
        assert word in ended.stderr


@pytest.mark.skipif(
    "TORCH_NPU_PYTHON" not in os.environ,
    reason="TORCH_NPU_PYTHON names no Python with the real torch_npu and CANN (or stubs of it)",
)
def test_the_real_torch_npu_has_what_is_used_and_its_optimisers_see_the_gradients() -> None:
    ended = subprocess.run(
        [os.environ["TORCH_NPU_PYTHON"], HERE.parent / "real_npu.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr
