from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inference.lock import Lock
from inference.scoring.metrics import METRICS
from training.distributed import Ranks
from training.records import journal as journals
from training.records.journal import Journal
from training.records.run_folder import read_metrics

CPU = torch.device("cpu")
SCORES = dict.fromkeys(METRICS, 0.5)


def record(run: Path, epochs: range, losses: list[float]) -> Journal:
    journal = Journal(Ranks(CPU), 4, len(losses), run, Lock(run))
    for epoch in epochs:
        for _, loss in zip(journal.track(range(len(losses)), epoch), losses):
            journal.step(torch.tensor(loss), 4, 1e-3)
        journal.epoch(epoch, 1e-3, SCORES)
        journal.clear()
    return journal


def test_a_run_is_recorded_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, range(2), [1.0, 2.0]).close()
    record(tmp_path, range(1, 3), [3.0, float("nan"), 5.0]).close()  # repeats the epoch it was in
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [(row["epoch"], row["loss"]) for row in rows] == [(0, 1.5), (1, 4.0), (2, 4.0)]
    assert {"lr", "images_per_second", *METRICS} <= rows[0].keys()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss")] == [1.5, 4.0, 4.0]
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
    shown = capsys.readouterr().out
    log = (tmp_path / "log.txt").read_text()
    assert "epoch 3/4" in shown and "epoch 3/4" in log
    assert "loss 1.5000  accuracy 0.5000  dice" in shown
    assert log.count("loss 4.0000 (1 of 3 not finite: skipped)  ") == 2
    assert shown.count("Final Performance images/sec : ") == 2


def test_the_speed_is_modelzoos_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """batch x (steps - 5) x ranks / seconds, and the fastest epoch beside the median."""
    now = iter([0.0, *(100.0 * i for i in range(1, 6)), *(500.0 + 2 * i for i in range(1, 4))])
    monkeypatch.setattr(journals.time, "perf_counter", lambda: next(now))
    journal = Journal(Ranks(CPU), 1, 8, tmp_path, Lock(tmp_path))
    for _ in journal.track(range(8), 0):
        journal.step(torch.tensor(1.0), 16, 1e-3)
    assert journal.speed == 16 * 3 / 6


def test_a_loss_that_was_never_finite_is_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, range(2), [float("nan"), float("inf")]).close()
    assert capsys.readouterr().out.count("loss nan (2 of 2 not finite: skipped)  ") == 2
    assert [str(row["loss"]) for row in read_metrics(tmp_path / "metrics.csv")] == ["nan"] * 2
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
