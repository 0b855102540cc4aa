"""Nothing is lost: the whole state of a run, saved when it is due and taken up again."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from torch import nn

from inference.contract import Contract
from inference.errors import InputError
from training import checkpoint
from training.config import TrainConfig
from training.device import Runtime
from training.distributed import Ranks
from training.journal import SilentJournal
from training.optimise import Stepper

LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"
# What may differ between a run and its continuation without making another run of it.
FREE = (
    "resume data out device device_list multiprocessing_distributed addr nodes workers save_every compile"
).split()


class StoppedError(Exception):
    """The run was asked to stop, and has saved its state.

    Attributes:
        signal: that asked for it; 0 if another rank was asked.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number or signal.SIGTERM


class StopSignals:
    """Remembers that SIGTERM or Ctrl-C asked for a stop, for when the step is done."""

    def __init__(self) -> None:
        self.signal = 0

    @contextmanager
    def listen(self) -> Iterator[StopSignals]:
        """While it is open, these signals no longer end the process."""
        kinds = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(kind, self._note) for kind in kinds]
        try:
            yield self
        finally:
            for kind, handler in zip(kinds, before):
                signal.signal(kind, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        epoch: that is being trained, from 0.
        step: updates done in it.
        best: highest mean Jaccard index of the epochs before.
        stale: epochs since then.
    """

    epoch: int = 0
    step: int = 0
    best: float = 0.0
    stale: int = 0


class Checkpointer:
    """Saves a run: last.pt whenever it is due, best.pt after an epoch with a better Jaccard index.

    A state holds the weights, the Stepper's optimiser, scaler and average, the position in the data, the
    generators of random numbers and the journal's running sums; previous.pt is the state before.
    """

    def __init__(
        self,
        config: TrainConfig,
        contract: Contract,
        network: nn.Module,
        stepper: Stepper,
        runtime: Runtime,
        ranks: Ranks,
        journal: SilentJournal,
        requests: StopSignals,
    ) -> None:
        self._config = config
        self._description = {"config": config.to_dict(), "contract": contract.to_json()}
        self._network, self._stepper, self._runtime = network, stepper, runtime
        self._ranks, self._journal, self._requests = ranks, journal, requests
        self.position = Progress()

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state that `load_state` returned."""
        self._network.load_state_dict(state["weights"])
        self._stepper.load_state_dict(state["stepper"])
        self._runtime.set_random_state(state["random"])
        self._journal.load_state_dict(state["journal"])
        self.position = Progress(**state["position"])

    def step(self) -> None:
        """Notes a step, saves if it is due.

        Raises:
            StoppedError: any rank was asked to stop; the state is saved.
        """
        if self._stepper.between:
            return
        self.position.step += 1
        stop = self._ranks.any(self._requests.signal != 0)
        every = self._config.save_every
        if stop or (every and self.position.step % every == 0):
            self._save_state()
        if stop:
            position = f"epoch {self.position.epoch + 1}, step {self.position.step}"
            self._journal.say(f"asked to stop: saved at {position}; go on with --resume")
            raise StoppedError(self._requests.signal)

    def epoch(self, scores: dict[str, float]) -> bool:
        """Notes the end of an epoch and saves; True if it was the best so far."""
        position = self.position
        better = scores["jaccard"] >= position.best
        position.stale = 0 if scores["jaccard"] > position.best else position.stale + 1
        position.best = max(position.best, scores["jaccard"])
        if better and self._ranks.rank == 0:
            shipped = self._stepper.network.state_dict()
            described = {**self._description, "epoch": position.epoch, "scores": scores}
            checkpoint.save(self._config.out / BEST, {**described, "weights": shipped})
        position.epoch += 1
        position.step = 0
        self._journal.clear()
        self._save_state()
        return better

    @property
    def is_stale(self) -> bool:
        """True when --patience has run out."""
        return 0 < self._config.patience <= self.position.stale

    def _save_state(self) -> None:
        state = {
            **self._description,
            "epoch": self.position.epoch,
            "position": dataclasses.asdict(self.position),
            "weights": self._network.state_dict(),
            "stepper": self._stepper.state_dict(),
            "random": self._runtime.random_state(),
            "journal": self._journal.state_dict(),
        }
        if self._ranks.rank == 0:
            last = self._config.out / LAST
            temporary = last.with_name(f".new-{LAST}")
            checkpoint.save(temporary, state)
            if last.exists():
                last.replace(last.with_name(PREVIOUS))
            temporary.replace(last)


def load_state(config: TrainConfig, journal: SilentJournal) -> dict[str, Any] | None:
    """Loads the last state of the run in --out that is whole; None if it has none yet.

    Raises:
        InputError: there is no such run, no state of it is whole, or it has other settings.
    """
    if not config.out.is_dir():
        raise InputError(f"--resume: {config.out} is no run; check --out, or leave --resume out")
    files = [config.out / name for name in (LAST, PREVIOUS) if (config.out / name).exists()]
    if not files:
        journal.say(f"{config.out} has no checkpoint yet: starting from the beginning")
        return None
    state = load_whole(files, journal)
    require_same(config, state["config"])
    return state


def load_whole(files: list[Path], journal: SilentJournal) -> dict[str, Any]:
    """Loads the first of some checkpoints that is whole, naming those that are not.

    Raises:
        InputError: none is.
    """
    *tries, final = files
    for file in tries:
        try:
            return checkpoint.load(file)
        except InputError as error:
            journal.say(f"{error}; going on from the one before")
    return checkpoint.load(final)


def require_same(config: TrainConfig, before: dict[str, Any]) -> None:
    """Refuses to go on with other settings.

    Raises:
        InputError: a setting that shapes the run differs.
    """
    for name, value in config.to_dict().items():
        if name not in FREE and before.get(name) != value:
            flag = name.replace("_", "-")
            raise InputError(
                f"--{flag} {value}: the run in {config.out} has {before.get(name)}; go on with that"
            )
