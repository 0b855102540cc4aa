from __future__ import annotations

import dataclasses
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.errors import InputError
from inference.lock import is_running
from training import checkpoint
from training.config import make_config
from training.optimise import Stepper
from training.records.resume import LAST, PREVIOUS, load_state
from training.train import train
from training.weights import open_network

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "2"))  # KILLS=20 make test: the long form
EPOCHS = 2 + 2 * KILLS  # so that no run ends before it was killed so often
RUN = f"--epochs {EPOCHS} --save-every 1".split()


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory: pytest.TempPathFactory, train_in_process: Any) -> dict[int, Path]:
    """Runs that were not interrupted, by number of ranks."""
    folders = {ranks: tmp_path_factory.mktemp("whole") / "run" for ranks in (1, 2)}
    for ranks, folder in folders.items():
        train_in_process(*RUN, "--out", folder, ranks=ranks)
    return folders


def wait_for_a_save(process: subprocess.Popen[str], run: Path) -> None:
    """Returns when the process has saved a state, or has ended."""
    began = time.time()
    while process.poll() is None:
        with suppress(FileNotFoundError):  # between two names
            if (run / LAST).stat().st_mtime > began:
                return
        time.sleep(0.002)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(child) for child in listing.read_text().split()]


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL for the process and its workers, as when a machine goes down."""
    killed = []
    with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended by itself
        killed = [*workers_of(process), process.pid]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    deadline = time.time() + 30
    while any(map(is_running, killed)):  # a machine that is down has nothing left that runs
        assert time.time() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(
    ranks: int, whole_runs: dict[int, Path], start: Any, train_in_process: Any, tmp_path: Path
) -> None:
    chance = random.Random(ranks)
    run = tmp_path / "run"
    kills = 0
    for _ in range(KILLS):
        process = start(*RUN, "--out", run, *(["--resume"] if run.exists() else []), ranks=ranks)
        wait_for_a_save(process, run)
        time.sleep(chance.random() * 0.03)
        kill(process)
        kills += process.returncode == -signal.SIGKILL
    assert kills > KILLS // 2
    train_in_process(*RUN, "--out", run, "--resume", ranks=ranks)
    for name in ("last.pt", "best.pt"):
        assert same_weights(run / name, whole_runs[ranks] / name), name
    epochs = [(run / "metrics.csv").read_text(), (whole_runs[ranks] / "metrics.csv").read_text()]
    without_speed = [
        [line.split(",")[:3] + line.split(",")[4:] for line in text.splitlines()] for text in epochs
    ]
    assert without_speed[0] == without_speed[1]
    assert not list(run.glob(".*"))


def same_weights(one: Path, other: Path) -> bool:
    """True if two checkpoints hold the same weights and averages, bit for bit."""
    states = [torch.load(path, weights_only=True) for path in (one, other)]
    weights, average = (
        [state["weights"] for state in states],
        [state.get("stepper", {}).get("average", {}) for state in states],
    )
    assert weights[0] and weights[0].keys() == weights[1].keys()
    return all(
        torch.equal(first[key], second[key])
        for first, second in (weights, average)
        for key in first
    )


@pytest.mark.parametrize(
    ("ranks", "requests"),
    [(1, (signal.SIGINT, signal.SIGHUP)), (2, (signal.SIGTERM, signal.SIGHUP))],
)
def test_a_stop_finishes_the_step_and_saves(
    ranks: int,
    requests: tuple[signal.Signals, ...],
    whole_runs: dict[int, Path],
    start: Any,
    train_in_process: Any,
    tmp_path: Path,
) -> None:
    """Where there are two, SIGTERM reaches one of them alone: both stop at the same step.

    SIGHUP reaches all processes of a terminal that is closed, torchrun's among them.
    """
    run = tmp_path / "run"
    for number, request in enumerate(requests):
        process = start(*RUN, "--out", run, *(["--resume"] if number else []), ranks=ranks)
        wait_for_a_save(process, run)
        several = [*workers_of(process), process.pid] if ranks > 1 else [process.pid]
        for pid in several if request == signal.SIGHUP else several[:1]:
            os.kill(pid, request)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + request, output
        assert "--resume" in output
        assert checkpoint.load(run / LAST)["position"]["epoch"] < EPOCHS
    train_in_process(*RUN, "--out", run, "--resume", ranks=ranks)
    assert same_weights(run / LAST, whole_runs[ranks] / LAST)


def test_a_truncated_checkpoint_falls_back_to_the_one_before(
    whole_runs: dict[int, Path], train_in_process: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole_runs[1], run)
    with (run / LAST).open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) // 2)
    output = train_in_process(*RUN, "--out", run, "--resume")
    assert str(run / LAST) in output and "the checkpoint before" in output
    assert same_weights(run / LAST, whole_runs[1] / LAST)
    for name in (LAST, PREVIOUS):
        (run / name).write_bytes(b"nothing")
    assert "not a checkpoint" in train_in_process(*RUN, "--out", run, "--resume", code=2)


def test_a_full_disk_is_a_line_and_the_last_checkpoint_is_kept(
    whole_runs: dict[int, Path], tmp_path: Path
) -> None:
    state = checkpoint.load(whole_runs[1] / LAST)
    path = tmp_path / LAST
    checkpoint.save(path, state)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        with pytest.raises(InputError, match=r"cannot be written .* with --resume"):
            checkpoint.save(path, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_state_is_complete_and_plain(whole_runs: dict[int, Path]) -> None:
    state = checkpoint.load(whole_runs[1] / LAST)
    assert state.keys() == {
        *("config", "contract", "data", "epoch", "position"),
        *("weights", "stepper", "random", "journal"),
    }
    assert {"optimiser", "updates", "scaler", "average"} == state["stepper"].keys()
    network, contract = open_network(whole_runs[1] / LAST)
    assert contract.size == 16
    averaged = state["stepper"]["average"]["module.head.weight"]
    assert torch.equal(network.head.weight, averaged)


def test_other_settings_and_no_run_at_all_are_refused(whole_runs: dict[int, Path]) -> None:
    before = checkpoint.load(whole_runs[1] / LAST)
    saved, data = before["config"], before["data"]
    changes = {**saved, "out": whole_runs[1], "data": Path(saved["data"])}
    for free in ({}, {"workers": 7, "save_every": 0}, {"epochs": EPOCHS + 1}):
        state, remarks = load_state(make_config(**{**changes, **free}), data)
        assert state and not remarks
    for wrong, named in (
        ({"lr": 0.5, "init": Path("a.pt")}, "--init a.pt --lr 0.5: .* has --init None --lr 0.002"),
        ({"epochs": EPOCHS - 1}, f"--epochs {EPOCHS - 1}: .* has --epochs {EPOCHS}"),
        ({"amp": True}, "--amp: .* has --amp False"),
    ):
        with pytest.raises(InputError, match=named):
            load_state(make_config(**{**changes, **wrong}), data)
    with pytest.raises(InputError, match="not a run"):
        load_state(make_config(Path("d"), out=Path("/nowhere")), data)


def test_other_data_are_refused_unless_they_are_allowed(whole_runs: dict[int, Path]) -> None:
    before = checkpoint.load(whole_runs[1] / LAST)
    config = make_config(**{**before["config"], "out": whole_runs[1], "data": Path("elsewhere")})
    changed = {**before["data"], "valid": {"images": 5, "checksum": 1}}
    with pytest.raises(
        InputError, match=r"elsewhere/valid: .* --allow-changed-data to continue with these$"
    ):
        load_state(config, changed)
    state, remarks = load_state(dataclasses.replace(config, allow_changed_data=True), changed)
    assert state and "elsewhere/valid" in remarks[0]


def test_a_hangup_that_nohup_ignores_is_ignored() -> None:
    """In a process of its own: what other tests have loaded must not get signals."""
    code = """
import os, signal
from training.checkpointing import StopSignals
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with StopSignals().listen() as signals:
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.received == signal.SIGTERM
assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_weights_that_blow_up_are_never_saved(
    ranks: int, train_in_process: Any, tmp_path: Path
) -> None:
    """Three steps an epoch: it ends before so many losses were not finite that the run would."""
    run = tmp_path / "run"
    flags = "--epochs 9 --lr 1e38 --ema 0 --warmup 0 --clip 0".split()
    output = train_in_process(*flags, "--out", run, ranks=ranks, code=2)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "no longer finite; no checkpoint was saved" in errors[0], output
    assert "Traceback" not in output and not list(run.glob("*.pt"))


def test_what_was_saved_before_is_named_and_kept(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The average can be lost alone, and with the last step of an epoch."""

    def spoil(step: Stepper) -> float:
        if step._updates == 5:  # the last of the second epoch
            next(step.network.parameters()).data.fill_(math.inf)
        return 1e-3

    monkeypatch.setattr(Stepper, "lr", property(spoil))
    run = tmp_path / "run"
    tiny = {"device": "cpu", "width": 2, "size": 16, "batch_size": 4, "epochs": 4}
    with pytest.raises(InputError, match=r"no longer finite; .*last\.pt is from before that"):
        train(make_config(dataset, out=run, **tiny))
    for name in (LAST, "best.pt"):
        state = checkpoint.load(run / name)
        assert checkpoint.is_finite(state) and state["epoch"] in (0, 1)
