"""Trains a network.

python -m training.train --data data --out runs/first --width 16
python -m training.train --data data --recipe reference --multiprocessing-distributed --device-list 0,1
torchrun --nproc-per-node 8 -m training.train --data data --batch-size 128 --lr 1.6e-3 --amp
"""

from __future__ import annotations

import os
import sys

import torch

from inference.cli import one_line_errors
from inference.contract import Contract
from inference.scoring.metrics import average_scores
from training.checkpointing import LAST, Checkpointer, StoppedError, StopSignals, load_state
from training.config import TrainConfig, read_config
from training.data.batches import Batches
from training.data.cache import Split, open_split
from training.data.folds import open_fold
from training.device import Runtime, explain_memory
from training.distil import Teachers
from training.distributed import Ranks, ending_at_once, launch, must_launch
from training.loss import LOSSES
from training.networks.unet import UNet
from training.optimise import Stepper
from training.precision import compile_network
from training.records.journal import open_journal
from training.records.plots import draw_overlays
from training.validate import validate
from training.weights import take_weights


def train(config: TrainConfig) -> int:
    """Trains a network, and writes its checkpoints and records to the folder config.out.

    Returns:
        The exit code: 0, or 128 + the signal that stopped it.
    """
    runtime = Runtime(
        config.device,
        config.devices,
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
    return 0


def fit(config: TrainConfig, runtime: Runtime, ranks: Ranks, signals: StopSignals) -> None:
    """The training itself, in one process of several."""
    contract = Contract(size=config.size, provenance={"arch": config.arch, "width": config.width})
    training, validation = open_data(config)
    batches = Batches(training, config, ranks.rank, ranks.count)
    resume = config.resume or os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"

    torch.manual_seed(config.seed)
    network = UNet(config.arch, config.width, contract.mean, contract.std)
    if config.init and not (resume and (config.out / LAST).exists()):
        take_weights(network, config)
    if config.sync_batchnorm:
        ranks.sync_batchnorm(network)
    runtime.place(network)
    replica = ranks.replicate(runtime.precision.lower(network), config.compress_gradients)
    criterion = LOSSES[config.loss]
    teachers = Teachers(config.teachers, config.teacher_share, config.size, runtime)
    step = Stepper(network, replica, config, runtime, ranks, len(batches))
    parts = len(batches) * config.accumulate
    journal = open_journal(config, ranks, parts, resume, runtime.describe())
    checkpointer = Checkpointer(config, contract, network, step, runtime, ranks, journal, signals)
    if resume and (state := load_state(config, journal)):
        checkpointer.restore(state)
    forward = compile_network(replica) if config.compile else replica

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
        counts = validate(step.network, validation, config, runtime, ranks, contract.threshold)
        scores = average_scores(counts)
        journal.epoch(epoch, step.lr_of(epoch), scores)
        if checkpointer.epoch(scores) and ranks.rank == 0:
            overlays = config.out / "overlays.jpg"
            draw_overlays(overlays, step.network, validation, counts, runtime, contract.threshold)
    journal.say(f"best jaccard {checkpointer.progress.best:.4f}: {config.out / 'best.pt'}")
    journal.close()


def open_data(config: TrainConfig) -> tuple[Split, Split]:
    """The images to train on and those to validate on."""
    if config.fold is not None:
        return open_fold(config.data, config.fold, config.size)
    training, validation = (
        open_split(config.data, split, config.size) for split in ("train", "valid")
    )
    return training, validation


if __name__ == "__main__":
    with ending_at_once(), one_line_errors():
        arguments = sys.argv[1:]
        chosen = read_config(arguments)
        sys.exit(launch(chosen, arguments) if must_launch(chosen) else train(chosen))
