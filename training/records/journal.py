"""What a run shows and records: a progress bar, log.txt, metrics.csv, curves.png, TensorBoard."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import rich.progress
from rich.console import Console
from torch import Tensor

from inference.cli import say
from inference.lock import Lock
from training.config import TrainConfig
from training.distributed import Ranks
from training.records.plots import draw_curves
from training.records.run_folder import METRICS, open_run, read_metrics, write_metrics

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Item = TypeVar("Item")
STARTED = time.perf_counter()  # with this program, but for imports
WARM_UP = 5  # first steps of an epoch, which are not timed, as in ModelZoo's figures


class SilentJournal:
    """Sums up an epoch's losses on a rank, and shows nothing.

    Args:
        parts: losses that a rank computes per epoch: batches, times config.accumulate.
    """

    def __init__(self, ranks: Ranks, epochs: int, parts: int) -> None:
        self._ranks, self._epochs, self._parts = ranks, epochs, parts
        self._speeds: list[float] = []
        self._lr = 0.0
        self.clear()

    def clear(self) -> None:
        """Starts an epoch's sums anew."""
        self._loss = np.zeros(
            3
        )  # of the losses that are finite, sum and number; number of the others
        self._stamps: list[tuple[float, int]] = []  # per loss: seconds, images on this rank

    def track(self, batches: Iterable[Item], epoch: int) -> Iterator[Item]:
        """Yields the batches of an epoch."""
        self._stamps = [(time.perf_counter(), 0)]
        yield from batches

    def step(self, loss: Tensor, images: int, lr: float) -> None:
        """Records a loss, the number of images on this rank it is of, and the learning rate."""
        self._lr = lr
        value = loss.item()
        self._loss += (value, 1, 0) if math.isfinite(value) else (0, 0, 1)
        self._stamps.append((time.perf_counter(), images))

    @property
    def speed(self) -> float:
        """Images per second over all ranks in this epoch, by ModelZoo's formula: not the first steps."""
        steps = self._stamps[WARM_UP:] if len(self._stamps) > WARM_UP + 1 else self._stamps
        if len(steps) < 2:
            return 0.0
        images = sum(images for _, images in steps[1:]) * self._ranks.count
        return images / (steps[-1][0] - steps[0][0])

    def epoch(self, epoch: int, lr: float, scores: dict[str, float]) -> None:
        """Records the end of an epoch: the learning rate it began with and its validation scores."""
        sums = self._ranks.sum(self._loss.copy())
        if self.speed:
            self._speeds.append(self.speed)
        self._record(epoch, sums, lr, scores)

    def say(self, text: str) -> None:
        """Shows a line."""

    def state_dict(self) -> dict[str, float]:
        """The sums over all ranks; a collective: every rank must call it."""
        total, losses, skipped = map(float, self._ranks.sum(self._loss.copy()))
        return {"loss": total, "losses": losses, "skipped": skipped}

    def load_state_dict(self, state: dict[str, float]) -> None:
        if self._ranks.rank == 0:
            self._loss = np.array([state["loss"], state["losses"], state.get("skipped", 0)])

    def close(self) -> None:
        """Ends the run."""

    def _record(self, epoch: int, sums: np.ndarray, lr: float, scores: dict[str, float]) -> None:
        pass


class Journal(SilentJournal):
    """Records a run in its folder and shows it on screen.

    Args:
        run: the run's folder; of its metrics.csv, the epochs before the first recorded one are kept.
        lock: on that folder, released at the end.
    """

    def __init__(self, ranks: Ranks, epochs: int, parts: int, run: Path, lock: Lock) -> None:
        super().__init__(ranks, epochs, parts)
        self._run, self._lock = run, lock
        self._console = Console(highlight=False, soft_wrap=True)
        self._rows = read_metrics(run / METRICS)
        self._board: SummaryWriter | None = None

    def track(self, batches: Iterable[Item], epoch: int) -> Iterator[Item]:
        """Yields the batches under a progress bar with loss, learning rate, speed and time left."""
        bar = rich.progress.Progress(
            rich.progress.TextColumn(f"epoch {epoch + 1}/{self._epochs}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[state]}"),
            rich.progress.TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with bar:
            task = bar.add_task("", total=self._parts, state="")
            for batch in super().track(batches, epoch):
                yield batch
                state = f"{describe_loss(self._loss)}  lr {self._lr:.1e}  {self.speed:.1f} images/s"
                bar.update(task, advance=1, state=state)

    def say(self, text: str) -> None:
        """Shows a line, and adds it to log.txt."""
        say(text)
        with (self._run / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")

    def close(self) -> None:
        """Ends the run with the lines that ModelZoo's scripts end with."""
        if self._board:
            self._board.close()
        if self._speeds:
            fastest, median = max(self._speeds), statistics.median(self._speeds)
            self.say(f"Final Performance images/sec : {fastest:.2f} (median {median:.2f})")
        if self._rows:
            self.say(f"Final Train Accuracy : {self._rows[-1]['accuracy']:.4f}")
        self.say(f"E2E Training Duration sec : {time.perf_counter() - STARTED:.0f}")
        self._lock.release()

    def _open_board(self, epoch: int) -> SummaryWriter:
        """TensorBoard's writer, loaded here: the first process alone writes."""
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self._run / "tensorboard"), purge_step=epoch)

    def _record(self, epoch: int, sums: np.ndarray, lr: float, scores: dict[str, float]) -> None:
        values = {"loss": mean_loss(sums), "lr": lr, "images_per_second": self.speed, **scores}
        self._rows = [row for row in self._rows if row["epoch"] < epoch]
        self._rows.append({"epoch": epoch, **values})
        write_metrics(self._run / METRICS, self._rows)
        draw_curves(self._run / "curves.png", self._rows)
        # Opened so late that a resumed run drops the events of the epoch it repeats.
        self._board = self._board or self._open_board(epoch)
        for name, value in values.items():
            if math.isfinite(value):  # of others it warns
                self._board.add_scalar(name, value, epoch)
        self._board.flush()
        self.say(
            f"epoch {epoch + 1}/{self._epochs}  {describe_loss(sums)}  "
            f"accuracy {scores['accuracy']:.4f}  dice {scores['dice']:.4f}  "
            f"jaccard {scores['jaccard']:.4f}  {self.speed:.1f} images/s"
        )


def mean_loss(sums: np.ndarray) -> float:
    """The mean of the finite losses; NaN if there are none, though there were others.

    Args:
        sums: as SilentJournal adds them up.
    """
    total, finite, others = sums
    return float(total / finite) if finite else math.nan if others else 0.0


def describe_loss(sums: np.ndarray) -> str:
    """The mean, and how many were left out of it."""
    _, finite, others = sums
    left_out = f" ({others:.0f} of {finite + others:.0f} not finite: skipped)" if others else ""
    return f"loss {mean_loss(sums):.4f}{left_out}"


def open_journal(
    config: TrainConfig, ranks: Ranks, parts: int, resume: bool, ran_on: dict[str, Any]
) -> SilentJournal:
    """Opens the run's folder and its journal on rank 0, and a silent one on every other rank.

    Args:
        parts, resume, ran_on: as in SilentJournal and `open_run`.
    """
    if ranks.rank > 0:
        return SilentJournal(ranks, config.epochs, parts)
    run, lock = open_run(config, resume, {**ran_on, "ranks": ranks.count})
    return Journal(ranks, config.epochs, parts, run, lock)
