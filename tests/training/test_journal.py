from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inference.errors import InputError
from inference.scoring.metrics import METRICS, count
from training import journal as journals
from training.config import make_config
from training.data.cache import open_split
from training.device import Runtime
from training.distributed import Ranks
from training.journal import Journal, read_metrics
from training.networks.unet import UNet
from training.plots import COLUMNS, choose_rows, draw_curves, draw_overlays
from training.run_folder import open_run

CPU = torch.device("cpu")
SCORES = dict.fromkeys(METRICS, 0.5)


def record(run: Path, epochs: range, losses: list[float]) -> Journal:
    journal = Journal(Ranks(CPU), 4, len(losses), run)
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
    assert shown.count("Final Performance images/sec : ") == 2


def test_the_speed_is_modelzoos_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """batch x (steps - 5) x ranks / seconds, and the fastest epoch beside the median."""
    now = iter([0.0, *(100.0 * i for i in range(1, 6)), *(500.0 + 2 * i for i in range(1, 4))])
    monkeypatch.setattr(journals.time, "perf_counter", lambda: next(now))
    journal = Journal(Ranks(CPU), 1, 8, tmp_path)
    for _ in journal.track(range(8), 0):
        journal.step(torch.tensor(1.0), 16, 1e-3)
    assert journal.speed == 16 * 3 / 6


def test_an_earlier_run_is_moved_aside_and_another_folder_is_left_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for seed in range(3):
        open_run(make_config(Path("d"), out=run, seed=seed), False, {"ranks": 1})
        (run / "last.pt").write_text(str(seed))
    kept = {(path / "last.pt").read_text() for path in tmp_path.iterdir()}
    assert kept == {"0", "1", "2"} and (run / "last.pt").read_text() == "2"
    frozen = json.loads((run / "config.json").read_text())
    assert frozen["seed"] == 2 and frozen["batch_size"] == 16
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__ and environment["ranks"] == 1

    (run / ".left.pt").write_text("half")
    open_run(make_config(Path("d"), out=run, seed=2), True, {})
    assert (run / "last.pt").read_text() == "2" and not (run / ".left.pt").exists()

    other = tmp_path / "photos"
    other.mkdir()
    (other / "a.jpg").write_text("mine")
    with pytest.raises(InputError, match="no run"):
        open_run(make_config(Path("d"), out=other), False, {})
    assert [path.name for path in other.iterdir()] == ["a.jpg"]


def test_overlays_show_best_median_and_worst(dataset: Path, tmp_path: Path) -> None:
    jaccard = np.arange(100) / 100
    rows = choose_rows(jaccard)
    assert rows[0] == 99 and rows[-1] == 0 and 49 in rows[COLUMNS : 2 * COLUMNS]
    assert len(choose_rows(jaccard[:2])) == 6

    split = open_split(dataset, "valid", 32)
    config = make_config(Path("d"), device="cpu")
    counts = count(np.array(split.masks), np.array(split.masks))
    path = tmp_path / "overlays.jpg"
    draw_overlays(path, UNet("unet", 2), split, counts, Runtime(config), 0.5)
    sheet = cv2.imread(str(path))
    assert sheet is not None and sheet.shape == (3 * 192, 5 * 192, 3)


def test_curves_of_one_epoch_are_drawn(tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", [{"epoch": 0, "loss": 1.0, **SCORES}])
    assert cv2.imread(str(tmp_path / "curves.png")) is not None


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_folder_that_cannot_be_made_is_named(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    config = make_config(tmp_path, out=tmp_path / out)
    with pytest.raises(InputError, match=f"--out .*{out}: cannot be written to .*another folder"):
        open_run(config, False, {})
