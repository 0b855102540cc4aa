"""What a run leaves for people: progress on screen, metrics.csv, TensorBoard, curves.png."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from inference.files import replacing
from training.config import TrainConfig

Item = TypeVar("Item")


def open_run(config: TrainConfig) -> Path:
    """Makes the run's folder with its config.json; an earlier run of the same name is moved aside."""
    run = config.out
    if run.exists() and not config.resume:
        backup = run.with_name(f"{run.name}-{datetime.now():%Y%m%d-%H%M%S}")
        os.rename(run, backup)
    run.mkdir(parents=True, exist_ok=True)
    with replacing(run / "config.json") as temporary:
        temporary.write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    return run


class Journal:
    """Records a run in its folder and shows it on screen.

    Args:
        run: the run's folder.
        epochs: of the whole run.
        start: first epoch of this process; rows of metrics.csv before it are kept.
    """

    def __init__(self, run: Path, epochs: int, start: int) -> None:
        self.run = run
        self.epochs = epochs
        self.console = Console(highlight=False, soft_wrap=True)
        self._rows = [row for row in read_metrics(run / "metrics.csv") if row["epoch"] < start]
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=start)
        self._losses: list[Tensor] = []
        self._images = 0
        self._began = time.perf_counter()

    def track(self, batches: Iterable[Item], total: int, epoch: int) -> Iterator[Item]:
        """Yields the batches of one epoch under a progress bar with the loss and the speed."""
        self._losses, self._images, self._began = [], 0, time.perf_counter()
        bar = Progress(
            TextColumn(f"epoch {epoch + 1}/{self.epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bar:
            task = bar.add_task("", total=total, state="")
            for batch in batches:
                yield batch
                bar.update(task, advance=1, state=f"{self.speed:.1f} images/s")

    def step(self, loss: Tensor, images: int) -> None:
        """Notes one step. The loss stays on its device: reading it would make the device wait."""
        self._losses.append(loss.detach())
        self._images += images

    @property
    def speed(self) -> float:
        """Training images a second since the epoch began."""
        return self._images / (time.perf_counter() - self._began)

    def epoch(self, epoch: int, lr: float, speed: float, scores: dict[str, float]) -> None:
        """Notes one epoch: a line on screen, a row of metrics.csv, TensorBoard and curves.png."""
        loss = sum(map(float, self._losses)) / len(self._losses)
        row = {"epoch": epoch, "loss": loss, "lr": lr, "images_per_second": speed, **scores}
        self._rows.append(row)
        write_metrics(self.run / "metrics.csv", self._rows)
        draw_curves(self.run / "curves.png", self._rows)
        for name, value in row.items():
            self._board.add_scalar(name, value, epoch)
        self._board.flush()
        self.console.print(
            f"epoch {epoch + 1}/{self.epochs}  loss {loss:.4f}  dice {scores['dice']:.4f}  "
            f"jaccard {scores['jaccard']:.4f}  {speed:.1f} images/s"
        )

    def close(self) -> None:
        self._board.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Rows of metrics.csv; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes metrics.csv: a header line, then a row an epoch."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def draw_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Draws loss and validation scores against epochs."""
    figure = Figure(figsize=(10, 4), layout="constrained")  # no window, no global state
    axes = figure.subplots(1, 2)
    epochs = [row["epoch"] + 1 for row in rows]
    for axis, names in zip(axes, (("loss",), ("dice", "jaccard", "thresholded_jaccard"))):
        for name in names:
            axis.plot(epochs, [row[name] for row in rows], label=name.replace("_", " "))
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary)
