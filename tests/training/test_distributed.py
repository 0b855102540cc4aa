from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import training.distributed
from inference.errors import InputError
from training.config import make_config
from training.device import read_number
from training.distributed import (
    MOMENT,
    Ranks,
    letting_the_first_speak,
    must_launch,
    require_group,
)
from training.records.run_folder import read_metrics

RANKS = Path(__file__).with_name("ranks.py")
ROOT = Path(__file__).parents[2]


def test_two_ranks_vote_sum_share_and_normalise_as_one() -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    ended = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", str(RANKS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_eight_ranks_finish_and_validate_each_image_once(
    train_in_process: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flags = "--size 32 --epochs 1 --batch-size 8 --workers 1 --multiprocessing-distributed"
    output = train_in_process(*flags.split(), "--out", run, ranks=8)
    assert output.count("Final Performance images/sec") == 1
    assert json.loads((run / "environment.json").read_text())["ranks"] == 8
    (row,) = read_metrics(run / "metrics.csv")
    correct = row["accuracy"] * 5 * 32 * 32  # of five images, each counted once
    assert correct == pytest.approx(round(correct), abs=1e-6)


@pytest.mark.parametrize(("rank", "taken_down"), [({"RANK": "0"}, False), ({}, True)])
def test_a_rank_ends_before_the_threads_of_its_group_can_abort_it(
    rank: dict[str, str], taken_down: bool
) -> None:
    script = (
        "import atexit, sys; from training.distributed import ending_at_once\n"
        "atexit.register(print, 'taken down')\n"
        "with ending_at_once(): print('done', end=' '); sys.exit(3)"
    )
    others = {name: value for name, value in os.environ.items() if name != "RANK"}
    ended = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        env={**others, **rank},
    )
    assert ended.returncode == 3
    assert ended.stdout.split() == ["done"] + ["taken", "down"] * taken_down


def test_one_process_alone_goes_down_the_same_path() -> None:
    with Ranks(torch.device("cpu")) as ranks:
        network = torch.nn.Linear(1, 1)
        assert ranks.replicate(network, compress=True) is network
        assert ranks.any(True) and not ranks.any(False)


@pytest.mark.parametrize("wrong", ["--data /nowhere", "--batch-size 3", "--addr no.such.invalid"])
def test_what_stops_every_process_is_said_once(
    wrong: str, train_in_process: Any, tmp_path: Path
) -> None:
    """Before torchrun starts, which would add a traceback."""
    said = train_in_process(*wrong.split(), "--out", tmp_path / "run", ranks=2, code=2)
    assert said.startswith("error: ") and said.count("\n") == 1, said
    assert not list(tmp_path.iterdir())


def test_under_torchrun_the_first_process_alone_says_it() -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    ended = subprocess.run(
        [*torchrun, "--nproc-per-node", "3", "-m", "training.train", "--epoks", "3"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert ended.returncode == 1
    assert said == ["error: --epoks: no such option; did you mean --epochs?"]


def test_an_error_of_another_process_is_said_later(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(training.distributed.time, "sleep", waited.append)
    for rank, expected in (("0", []), ("1", [MOMENT])):
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(InputError), letting_the_first_speak():
            raise InputError("its disk is full")
        assert waited == expected


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError("[/gloo/transport/tcp/pair.cc:537] Connection reset by peer"), True),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_lost_process_alone_is_told_as_such(error: RuntimeError, is_lost: bool) -> None:
    expected = InputError if is_lost else RuntimeError
    with pytest.raises(expected) as caught, letting_the_first_speak():
        raise error
    assert ("continue with --resume" in str(caught.value)) == is_lost


VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_an_empty_variable_is_as_none(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    ranks = Ranks(torch.device("cpu"))
    assert (ranks.rank, ranks.count) == (0, 1)
    assert must_launch(make_config(Path(), device_list="0,1"))
    assert read_number("LOCAL_RANK", 3) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("WORLD_SIZE=8", "WORLD_SIZE=8: RANK and MASTER_ADDR and MASTER_PORT must be set too"),
        ("WORLD_SIZE=2 RANK=0 MASTER_ADDR=a", "WORLD_SIZE=2: MASTER_PORT must be set too"),
        ("WORLD_SIZE=2 RANK=2 MASTER_ADDR=a MASTER_PORT=1", "RANK=2: must be less than WORLD_SIZE"),
        ("RANK=1", "RANK=1: must be less than WORLD_SIZE=1"),
        ("RANK=x WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1", "RANK=x: must be a whole number"),
        ("WORLD_SIZE=-1", "WORLD_SIZE=-1: must be a whole number"),
    ],
)
def test_what_cannot_be_a_group_is_named(
    given: str, said: str, alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than waited for, or a traceback."""
    for each in given.split():
        monkeypatch.setenv(*each.split("="))
    with pytest.raises(InputError, match=said):
        require_group()
