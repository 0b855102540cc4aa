"""Trains a network.

python -m training.train --data data --out runs/first --width 16
python -m training.train --data data --recipe reference --multiprocessing-distributed --device-list 0,1
torchrun --nproc-per-node 8 -m training.train --data data --batch-size 128 --lr 1.6e-3 --amp
"""

from __future__ import annotations

import sys

from inference.cli import one_line_errors
from inference.scoring.metrics import average_scores
from training.arguments import read_config
from training.checkpointing import AgreedError, Checkpointer, StoppedError, StopSignals
from training.config import TrainConfig
from training.device import Runtime, explain_memory
from training.distil import Teachers
from training.distributed import (
    Ranks,
    ending_at_once,
    launch,
    letting_the_first_speak,
    must_launch,
    require_host,
)
from training.loss import LOSSES
from training.optimise import Stepper
from training.precision import compile_network
from training.records.journal import open_journal
from training.records.plots import draw_overlays
from training.setup import rehearse, set_up
from training.validate import validate


def train(config: TrainConfig) -> int:
    """Trains a network, and writes its checkpoints and records to the folder config.out.

    Returns:
        The exit code: 0, or 128 + the signal that stopped it.
    """
    runtime = Runtime(
        config.device,
        config.devices,
        config.device_flag,
        level=config.level,
        half=config.amp_dtype,
        loss_scale=config.loss_scale,
    )
    memory = explain_memory(config.batch_size, config.accumulate)
    with Ranks(runtime.device) as ranks, StopSignals().listen() as signals, memory:
        try:
            fit(config, runtime, ranks, signals)
        except StoppedError as stopped:
            return 128 + stopped.signal
        except AgreedError:
            if ranks.rank > 0:
                sys.exit(2)  # in silence: the first says it
            raise
    return 0


def fit(config: TrainConfig, runtime: Runtime, ranks: Ranks, signals: StopSignals) -> None:
    """The training itself, in one process of several."""
    setup = set_up(config, ranks.rank, ranks.count)
    network, batches, validation = setup.network, setup.batches, setup.validation
    threshold = setup.contract.threshold
    if config.sync_batchnorm:
        ranks.sync_batchnorm(network)
    runtime.place(network)
    replica = ranks.replicate(runtime.precision.lower(network), config.compress_gradients)
    criterion = LOSSES[config.loss]
    teachers = Teachers(config.teachers, config.teacher_share, config.size, runtime)
    step = Stepper(network, replica, config, runtime, ranks, len(batches))
    parts = len(batches) * config.accumulate
    ran_on = runtime.describe()
    journal = open_journal(config, ranks, parts, setup.resume, ran_on)
    for line in (setup.introduce(config, ran_on, ranks.count), *setup.remarks, *runtime.remarks()):
        journal.say(line)
    checkpointer = Checkpointer(
        config, setup.contract, setup.data, network, step, runtime, ranks, journal, signals
    )
    forward = compile_network(replica) if config.compile else replica
    if setup.state:
        if ranks.count > 2:
            step.settle(forward, runtime.send(batches.blank()))
        checkpointer.restore(setup.state)

    for epoch in range(checkpointer.progress.epoch, config.epochs):
        if checkpointer.is_stale:
            journal.say(f"no better jaccard for {config.patience} epochs: stopped")
            break
        network.train()
        replica.train()
        for images, masks in journal.track(batches(epoch, checkpointer.progress.step), epoch):
            images, masks = runtime.send(images), runtime.send(masks)
            with runtime.precision.autocast():
                logits = forward(images)
            loss = criterion(logits, teachers.blend(images, masks))
            step(loss)
            journal.step(loss, len(images), step.lr)
            checkpointer.step()
        counts = validate(step.network, validation, config, runtime, ranks, threshold)
        scores = average_scores(counts)
        journal.epoch(epoch, step.lr_of(epoch), scores)
        if checkpointer.epoch(scores) and ranks.rank == 0:
            overlays = config.out / "overlays.jpg"
            draw_overlays(overlays, step.network, validation, counts, runtime, threshold)
    journal.say(f"best jaccard {checkpointer.progress.best:.4f}: {config.out / 'best.pt'}")
    journal.close()


if __name__ == "__main__":
    with ending_at_once(), one_line_errors(), letting_the_first_speak():
        arguments = sys.argv[1:]
        chosen = read_config(arguments)
        require_host(chosen.addr)
        if must_launch(chosen):
            sys.exit(launch(chosen, rehearse(chosen), arguments))
        sys.exit(train(chosen))
