from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from inference.scoring.metrics import METRICS
from training import checkpoint
from training import train as story
from training.config import TrainConfig, make_config
from training.distributed import Ranks
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
