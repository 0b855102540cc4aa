"""What a run leaves for people: progress on screen, log.txt, metrics.csv, TensorBoard, pictures."""

from __future__ import annotations

import csv
import math
import statistics
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from inference.files import replacing
from training.distributed import Ranks
from training.plots import draw_curves

Item = TypeVar("Item")
WARM_UP = 5  # steps of an epoch that are not timed, as in ModelZoo's figures


class SilentJournal:
    """Keeps the sums of an epoch, on every rank, and shows nothing.

    Args:
        steps: batches an epoch, of all ranks together.
    """

    def __init__(self, ranks: Ranks, epochs: int, steps: int) -> None:
        self._ranks, self._epochs, self._steps = ranks, epochs, steps
        self._speeds: list[float] = []
        self._lr = 0.0
        self.clear()

    def clear(self) -> None:
        """Begins an epoch."""
        self._loss = np.zeros(2)  # sum, and how many
        self._stamps: list[tuple[float, int]] = []  # of each loss: seconds, images since the last

    def track(self, batches: Iterable[Item], epoch: int) -> Iterator[Item]:
        """Yields the batches of an epoch."""
        self._stamps = [(time.perf_counter(), 0)]
        yield from batches

    def step(self, loss: Tensor, images: int, lr: float) -> None:
        """Notes a loss, the images on this rank that it is of, and the learning rate."""
        self._lr = lr
        value = loss.item()
        if math.isfinite(value):
            self._loss += value, 1
        self._stamps.append((time.perf_counter(), images))

    @property
    def speed(self) -> float:
        """Images a second of all ranks in this epoch: ModelZoo's formula, without the first steps."""
        steps = self._stamps[WARM_UP:] if len(self._stamps) > WARM_UP + 1 else self._stamps
        if len(steps) < 2:
            return 0.0
        images = sum(images for _, images in steps[1:]) * self._ranks.count
        return images / (steps[-1][0] - steps[0][0])

    def epoch(self, epoch: int, lr: float, scores: dict[str, float]) -> None:
        """Notes the end of an epoch's training and its validation."""
        total, losses = self._ranks.sum(self._loss.copy())
        if self.speed:
            self._speeds.append(self.speed)
        self._record(epoch, total / max(1, losses), lr, scores)

    def say(self, text: str) -> None:
        """Shows a line."""

    def state_dict(self) -> dict[str, float]:
        """The sums over all ranks: every rank must ask for them."""
        total, losses = self._ranks.sum(self._loss.copy())
        return {"loss": float(total), "losses": float(losses)}

    def load_state_dict(self, state: dict[str, float]) -> None:
        if self._ranks.rank == 0:
            self._loss = np.array([state["loss"], state["losses"]])

    def close(self) -> None:
        """Ends the run."""

    def _record(self, epoch: int, loss: float, lr: float, scores: dict[str, float]) -> None:
        pass


class Journal(SilentJournal):
    """Records a run in its folder and shows it on screen.

    Args:
        run: the run's folder.
        start: first epoch of this process; rows of metrics.csv before it are kept.
    """

    def __init__(self, ranks: Ranks, epochs: int, steps: int, run: Path) -> None:
        super().__init__(ranks, epochs, steps)
        self._run = run
        self._console = Console(highlight=False, soft_wrap=True)
        self._rows = read_metrics(run / "metrics.csv")
        self._board: SummaryWriter | None = None

    def track(self, batches: Iterable[Item], epoch: int) -> Iterator[Item]:
        """Yields the batches under a progress bar with loss, learning rate, speed and time left."""
        bar = Progress(
            TextColumn(f"epoch {epoch + 1}/{self._epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with bar:
            task = bar.add_task("", total=self._steps, state="")
            for batch in super().track(batches, epoch):
                yield batch
                loss = self._loss[0] / max(1, self._loss[1])
                state = f"loss {loss:.4f}  lr {self._lr:.1e}  {self.speed:.1f} images/s"
                bar.update(task, advance=1, state=state)

    def say(self, text: str) -> None:
        """Shows a line, and keeps it in log.txt."""
        self._console.print(text, markup=False)
        with (self._run / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")

    def close(self) -> None:
        """Ends the run with the line that ModelZoo's scripts print."""
        if self._board:
            self._board.close()
        if self._speeds:
            fastest, median = max(self._speeds), statistics.median(self._speeds)
            self.say(f"Final Performance images/sec : {fastest:.2f} (median {median:.2f})")

    def _record(self, epoch: int, loss: float, lr: float, scores: dict[str, float]) -> None:
        row = {"epoch": epoch, "loss": loss, "lr": lr, "images_per_second": self.speed, **scores}
        self._rows = [row for row in self._rows if row["epoch"] < epoch] + [row]
        write_metrics(self._run / "metrics.csv", self._rows)
        draw_curves(self._run / "curves.png", self._rows)
        # Opened late: a run that goes on takes back the events of the epoch it repeats.
        self._board = self._board or SummaryWriter(str(self._run / "tensorboard"), purge_step=epoch)
        for name, value in row.items():
            self._board.add_scalar(name, value, epoch)
        self._board.flush()
        self.say(
            f"epoch {epoch + 1}/{self._epochs}  loss {loss:.4f}  dice {scores['dice']:.4f}  "
            f"jaccard {scores['jaccard']:.4f}  {self.speed:.1f} images/s"
        )


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Rows of metrics.csv; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"])} for row in rows]


def write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes metrics.csv: a header line, then a row an epoch."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
