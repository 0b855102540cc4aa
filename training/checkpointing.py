"""Saves the state of a run when it is due: at the end of epochs, on request, and before it stops."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import nn

from inference.contract import Contract
from inference.errors import InputError
from training import checkpoint
from training.config import TrainConfig
from training.device import Runtime
from training.distributed import Ranks
from training.optimise import MAX_SKIPPED, Stepper
from training.records.journal import SilentJournal
from training.records.resume import BEST, LAST, PREVIOUS


class StoppedError(Exception):
    """The run was told to stop, and has saved its state.

    Attributes:
        signal: the signal it received; SIGTERM if it was another rank that did.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number or signal.SIGTERM


class AgreedError(InputError):
    """An error that all ranks have voted on and raise together; one of them is enough to say it."""


class StopSignals:
    """Catches SIGTERM, Ctrl-C and the loss of the terminal, so that a run stops after the step it is in.

    Attributes:
        received: the last signal; 0 if there was none.
    """

    def __init__(self) -> None:
        self.received = 0

    @contextmanager
    def listen(self) -> Iterator[StopSignals]:
        """While the context is open, these signals are noted and do not end the process."""
        kinds = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under nohup
            kinds.append(signal.SIGHUP)
        before = [signal.signal(kind, self._note) for kind in kinds]
        try:
            yield self
        finally:
            for kind, handler in zip(kinds, before):
                signal.signal(kind, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: the epoch in training, from 0.
        step: updates done in this epoch.
        best: highest mean Jaccard index of the epochs so far.
        stale: epochs since the best.
    """

    epoch: int = 0
    step: int = 0
    best: float = 0.0
    stale: int = 0


class Checkpointer:
    """Saves a run: last.pt when it is due, best.pt after an epoch with a better Jaccard index.

    A state holds the weights, the Stepper's state, the progress, the states of the random number
    generators and the journal's sums; previous.pt is the state before.

    Attributes:
        progress: how far the run has come.
    """

    def __init__(
        self,
        config: TrainConfig,
        contract: Contract,
        data: dict[str, Any],
        network: nn.Module,
        stepper: Stepper,
        runtime: Runtime,
        ranks: Ranks,
        journal: SilentJournal,
        signals: StopSignals,
    ) -> None:
        self._config = config
        self._description = {
            "config": config.to_dict(),
            "contract": contract.to_json(),
            "data": data,
        }
        self._network, self._stepper, self._runtime = network, stepper, runtime
        self._ranks, self._journal, self._signals = ranks, journal, signals
        self.progress = Progress()

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a state that `load_state` returned."""
        self._network.load_state_dict(state["weights"])
        self._stepper.load_state_dict(state["stepper"])
        self._runtime.set_random_state(state["random"])
        self._journal.load_state_dict(state["journal"])
        self.progress = Progress(**state["position"])
        before, epochs = state["config"]["epochs"], self._config.epochs
        if self.progress.epoch == epochs:
            self._journal.say(f"all {epochs} epochs are done: to continue, increase --epochs")
        if epochs > before:
            self._journal.say(
                f"--epochs {epochs}, not {before}: the learning rate follows the {self._config.schedule} "
                f"schedule of a run of {epochs} epochs, and is {self._stepper.lr:.1e} now"
            )

    def step(self) -> None:
        """Counts a step, and saves if it is due.

        Raises:
            StoppedError: a rank was told to stop; the state is saved.
            AgreedError: the run has diverged.
        """
        if self._stepper.between:
            return
        if self._stepper.diverged:
            raise self._explain(f"the loss was not finite for {MAX_SKIPPED} batches in a row")
        self.progress.step += 1
        stop = self._ranks.any(self._signals.received != 0)
        every = self._config.save_every
        if stop or (every and self.progress.step % every == 0):
            self._require_finite()
            self._save_state()
        if stop:
            self._journal.say(
                f"stopping as requested: saved after step {self.progress.step} of epoch "
                f"{self.progress.epoch + 1}; --resume continues from there"
            )
            raise StoppedError(self._signals.received)

    def epoch(self, scores: dict[str, float]) -> bool:
        """Counts an epoch, and saves; True if it was as good as the best before, or better.

        Raises:
            AgreedError: the weights are not finite; nothing is saved.
        """
        self._require_finite()
        progress, jaccard = self.progress, scores["jaccard"]
        is_best = jaccard >= progress.best
        progress.stale = 0 if jaccard > progress.best else progress.stale + 1
        progress.best = max(progress.best, jaccard)
        if is_best and self._ranks.rank == 0:
            self._save_best(scores)
        progress.epoch += 1
        progress.step = 0
        self._journal.clear()
        self._save_state()
        return is_best

    @property
    def is_stale(self) -> bool:
        """True when --patience has run out."""
        return 0 < self._config.patience <= self.progress.stale

    def _require_finite(self) -> None:
        """Weights that blew up are good for nothing: a run must not go on from them, nor ship them."""
        state = [self._network.state_dict(), self._stepper.state_dict()]
        if self._ranks.any(not checkpoint.is_finite(state)):
            raise self._explain("the weights are no longer finite")

    def _explain(self, reason: str) -> AgreedError:
        """The error of a run that cannot go on, with what is left of it."""
        last = self._config.out / LAST
        left = f"{last} is from before that" if last.exists() else "no checkpoint was saved"
        return AgreedError(
            f"--lr {self._config.lr}: {reason}; {left}; train again with a lower --lr, or with "
            "--opt-level O0"
        )

    def _save_best(self, scores: dict[str, float]) -> None:
        entries = {"epoch": self.progress.epoch, "scores": scores}
        weights = self._stepper.network.state_dict()
        best = {**self._description, **entries, "weights": weights}
        checkpoint.save(self._config.out / BEST, best)

    def _save_state(self) -> None:
        state = {
            **self._description,
            "epoch": self.progress.epoch,
            "position": dataclasses.asdict(
                self.progress
            ),  # the key of all checkpoints since the first
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
