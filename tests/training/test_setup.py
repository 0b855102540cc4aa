"""What would stop every process of several is one line, before any of them starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.errors import InputError
from inference.lock import Lock
from tests.source_tree import ROOT
from training.config import TrainConfig, make_config
from training.device import Runtime, find_kind, list_devices
from training.distributed import must_launch, require_host, split_address
from training.setup import rehearse, set_up

TINY = {"width": 2, "size": 16, "batch_size": 4, "epochs": 1}


@pytest.mark.parametrize(
    ("changes", "several"),
    [
        ({}, False),
        ({"device_list": "3"}, False),
        ({"device_list": "0,1"}, True),
        ({"multiprocessing_distributed": True}, True),
        ({"nodes": 2, "addr": "10.0.0.1"}, True),
    ],
)
def test_processes_are_started_for_several_devices(
    changes: dict[str, Any], several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert must_launch(make_config(Path(), **changes)) == several
    monkeypatch.setenv("RANK", "0")
    assert not must_launch(make_config(Path(), **changes))


def configure(dataset: Path, out: Path, **changes: Any) -> TrainConfig:
    settings = {"device": "cpu", "device_list": "0,1", **TINY, "out": out, **changes}
    return make_config(dataset, **settings)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data": Path("/nowhere")}, "/nowhere/train: no such folder"),
        ({"batch_size": 3}, "--batch-size 3 of 12 images: must be a multiple of 2"),
        ({"batch_size": 2}, "--batch-size 2: with one image of --size 16 at a time"),
        ({"init": Path("/nowhere.pt")}, "/nowhere.pt: no such checkpoint"),
        ({"resume": True}, "--resume: .* is not a run"),
        ({"teachers": (Path("/nowhere.pt"),)}, "/nowhere.pt: no such checkpoint"),
    ],
)
def test_errors_that_all_would_raise_are_raised_once(
    changes: dict[str, Any],
    named: str,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RANK_ID", "RANK_SIZE"):
        monkeypatch.delenv(name, raising=False)
    config = configure(changes.pop("data", dataset), tmp_path / "run", **changes)
    with pytest.raises(InputError, match=named):
        rehearse(config)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_run_or_of_photographs_is_left_alone(
    dataset: Path, tmp_path: Path
) -> None:
    config = configure(dataset, tmp_path)
    lock = Lock(tmp_path)
    with pytest.raises(InputError, match="another run is using this folder"):
        rehearse(config)
    lock.release()
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InputError, match="holds files but is not a run"):
        rehearse(config)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_loop_over_the_devices_is_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ModelZoo's script starts main.py once per device, and numbers them."""
    monkeypatch.setenv("RANK_SIZE", "8")
    monkeypatch.setenv("RANK_ID", "3")
    with pytest.raises(InputError, match=r"RANK_ID=3: .* without the loop"):
        rehearse(configure(dataset, tmp_path / "run", multiprocessing_distributed=True))


@pytest.fixture
def without_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)


@pytest.mark.usefixtures("without_accelerator")
@pytest.mark.parametrize(
    "changes",
    [
        {"device_list": "0,1"},
        {"device_list": "0"},
        {"device_list": "", "multiprocessing_distributed": True},
        {"device_list": "", "nodes": 2, "addr": "localhost"},
    ],
)
def test_the_cpu_is_never_taken_for_devices_that_were_asked_for(
    changes: dict[str, Any], dataset: Path, tmp_path: Path
) -> None:
    config = configure(dataset, tmp_path / "run", device="auto", **changes)
    with pytest.raises(InputError, match=f"^{config.device_flag}: .*--device cpu"):
        rehearse(config) if must_launch(config) else Runtime("auto", flag=config.device_flag)


@pytest.mark.usefixtures("without_accelerator")
def test_one_process_without_a_wish_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_kind("auto") == find_kind("cpu", "--device-list 0") == "cpu"
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert find_kind("cpu") == "cpu"
    with pytest.raises(InputError, match=r"^torchrun --nproc-per-node 2: "):
        find_kind("auto")


def test_devices_that_are_listed_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 4)
    assert list(list_devices("an accelerator")) == [0, 1, 2, 3]
    assert list(list_devices("an accelerator", [3, 1])) == [3, 1]
    with pytest.raises(InputError, match=r"--device-list 0,4: this machine has 4 "):
        list_devices("an accelerator", [0, 4])
    assert list(list_devices("cpu")) == [0] and list(list_devices("cpu", [0, 9])) == [0, 9]


def test_addresses_are_taken_apart_and_looked_up() -> None:
    assert split_address("host:29500") == ("host", 29500)
    assert split_address("[::1]:1") == ("[::1]", 1)
    assert split_address("10.0.0.1") == ("10.0.0.1", 0) and split_address("") == ("", 0)
    for known in ("", "localhost", "127.0.0.1:29500"):
        require_host(known)
    with pytest.raises(InputError, match=r"--addr no\.such\.invalid:1: no such host"):
        require_host("no.such.invalid:1")


def test_the_first_line_says_what_runs_on_what(dataset: Path, tmp_path: Path) -> None:
    setup = set_up(configure(dataset, tmp_path), 0, 2)
    ran_on = {"device": "an accelerator:0", "name": "Model 1", "threads": 3}
    assert setup.introduce(configure(dataset, tmp_path), ran_on, 2) == (
        "device an accelerator:0 Model 1, ranks 2, threads 3 per rank, network attunet of width 2, "
        f"parameters {sum(p.numel() for p in setup.network.parameters()):,}, "
        "images 12 and 5 for validation, 16 x 16, batch 4"
    )


@pytest.mark.parametrize("script", ["train_full_1p", "train_performance_1p"])
def test_modelzoos_scripts_end_with_their_lines(script: str, dataset: Path, tmp_path: Path) -> None:
    """From another folder, through the link that serves their habit."""
    flags = [f"--data_path={dataset}", "--epochs=1", "--device", "cpu", "--opt-level", "O0"]
    done = subprocess.run(
        ["bash", str(ROOT / "test" / f"{script}.sh"), *flags, *"--width 2 --size 16".split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    first, *_, speed, accuracy, duration = done.stdout.splitlines()
    assert first.startswith("device cpu, ranks 1, ") and first.endswith("batch 12")
    assert speed.startswith("Final Performance images/sec : ")
    assert 0 <= float(accuracy.removeprefix("Final Train Accuracy : ")) <= 1
    assert float(duration.removeprefix("E2E Training Duration sec : ")) >= 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name == {"train_full_1p": "1p-full", "train_performance_1p": "1p-perf"}[script]
    assert duration in (run / "log.txt").read_text()


def test_a_teacher_in_the_folder_of_the_run_is_refused(data: Path, tmp_path: Path) -> None:
    """A run that is resumed would take itself for its teacher."""
    run = tmp_path / "run"
    for teacher in (run / "best.pt", tmp_path / "x" / ".." / "run" / "best.pt"):
        config = make_config(data, out=run, teachers=(teacher,), size=64, width=2)
        with pytest.raises(InputError, match=r"--teachers .*best\.pt: is inside --out"):
            set_up(config, 0, 1)
