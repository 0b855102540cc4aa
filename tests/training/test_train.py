from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.scoring.metrics import METRICS
from training import checkpoint
from training import train as story
from training.config import TrainConfig, make_config
from training.distributed import Ranks
from training.optimise import make_schedule
from training.records.journal import SilentJournal
from training.records.run_folder import read_metrics
from training.train import train
from training.weights import open_network

TINY = {"device": "cpu", "width": 2, "size": 16, "batch_size": 4, "epochs": 1}
FILES = "last.pt best.pt metrics.csv config.json environment.json log.txt curves.png overlays.jpg"


def configure(dataset: Path, out: Path, **changes: Any) -> Any:
    return make_config(dataset, **{**TINY, "out": out, **changes})


def test_a_run_leaves_what_it_promises(dataset: Path, tmp_path: Path) -> None:
    assert train(configure(dataset, tmp_path / "run", epochs=2)) == 0
    assert set(FILES.split()) <= {path.name for path in (tmp_path / "run").iterdir()}
    network, contract = open_network(tmp_path / "run" / "best.pt")
    assert contract.size == 16 and not network.training


def test_a_progress_bar_ends_with_its_epoch(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each batch is computed in parts, it moves with each of them."""
    seen: list[int] = []
    monkeypatch.setattr(SilentJournal, "step", lambda *arguments: seen.append(1))
    totals: list[int] = []

    def open_journal(config: TrainConfig, ranks: Ranks, parts: int, *rest: object) -> SilentJournal:
        totals.append(parts)
        return SilentJournal(ranks, config.epochs, parts)

    monkeypatch.setattr(story, "open_journal", open_journal)
    train(configure(dataset, tmp_path / "run", accumulate=2))
    assert totals == [len(seen)] == [6]


def test_a_process_that_torchrun_starts_anew_goes_on(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(dataset, tmp_path / "run", epochs=2)
    train(config)
    (tmp_path / "run" / "previous.pt").replace(tmp_path / "run" / "last.pt")  # after one epoch
    whole = checkpoint.load(tmp_path / "run" / "best.pt")["weights"]
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    train(config)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # nothing was moved aside
    assert [row["epoch"] for row in read_metrics(tmp_path / "run" / "metrics.csv")] == [0, 1]
    again = checkpoint.load(tmp_path / "run" / "best.pt")["weights"]
    assert all(torch.equal(whole[key], again[key]) for key in whole)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_goes_on_when_nobody_reads_it(ranks: int, start: Any, tmp_path: Path) -> None:
    """As in `| head -1`; its records are whole."""
    run = tmp_path / "run"
    process = start("--epochs", "2", "--out", run, ranks=ranks)
    assert next(line for line in process.stdout if line.startswith(f"device cpu, ranks {ranks}, "))
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert checkpoint.load(run / "last.pt")["position"]["epoch"] == 2
    log = (run / "log.txt").read_text()
    assert "epoch 2/2" in log and log.splitlines()[-1].split("  ")[1].startswith("E2E Training")


def test_a_finished_run_grows_to_more_epochs(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the weights are those that the longer schedule gives from there on."""
    run = tmp_path / "run"
    train(configure(dataset, run))
    train(configure(dataset, run, resume=True))
    assert "all 1 epochs are done: to continue, increase --epochs" in capsys.readouterr().out
    for _ in range(2):  # the second finds it finished
        train(configure(dataset, run, epochs=3, resume=True))
    said = capsys.readouterr().out
    assert said.count("the learning rate follows the cosine schedule of a run of 3 epochs") == 1
    rows = read_metrics(run / "metrics.csv")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    config = configure(dataset, run, epochs=3)
    share = make_schedule(config, steps=3)
    expected = [config.lr * share(update) for update in (3, 6)]
    assert [row["lr"] for row in rows[1:]] == pytest.approx(expected)
    assert checkpoint.load(run / "last.pt")["config"]["epochs"] == 3
    assert json.loads((run / "config.json").read_text())["epochs"] == 3


def test_patience_ends_a_run_that_gets_no_better(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter((0.5, 0.6, 0.6, 0.55, 0.7))
    monkeypatch.setattr(
        story, "average_scores", lambda counts: dict.fromkeys(METRICS, next(values))
    )
    run = tmp_path / "run"
    train(configure(dataset, run, epochs=5, patience=2))
    assert [row["jaccard"] for row in read_metrics(run / "metrics.csv")] == [0.5, 0.6, 0.6, 0.55]
    assert "no better jaccard for 2 epochs" in (run / "log.txt").read_text()
    assert checkpoint.load(run / "best.pt")["epoch"] == 2  # of equals, the later
