"""Trains a network.

python -m training.train --data data --out runs/first --width 16
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
import tyro

from inference.command import InputError, run
from inference.contract import Contract
from training import checkpoint
from training.config import TrainConfig
from training.data import batches, count_batches, open_split
from training.device import Runtime
from training.journal import Journal, open_run
from training.loss import LOSSES
from training.model import UNet
from training.optimise import Stepper
from training.validate import validate


def train(config: Annotated[TrainConfig, tyro.conf.arg(name="")]) -> None:
    """Train a network of the U-Net family; writes last.pt, best.pt, metrics.csv and config.json."""
    runtime = Runtime(config.device, config.opt_level)
    contract = Contract(size=config.size, provenance={"arch": config.arch, "width": config.width})
    training = open_split(config.data, "train", config.size)
    validation = open_split(config.data, "valid", config.size)

    torch.manual_seed(config.seed)
    network = runtime.place(UNet(config.arch, config.width, contract.mean, contract.std))
    criterion = LOSSES[config.loss]
    steps = count_batches(len(training), config.batch_size)
    step = Stepper(network, config, runtime, steps * config.epochs)
    start, best = 0, 0.0
    if config.resume:
        state = load_run(config)
        network.load_state_dict(state["weights"])
        step.load_state_dict(state["stepper"])
        start, best = state["epoch"] + 1, state["best"]

    journal = Journal(open_run(config), config.epochs, start)
    for epoch in range(start, config.epochs):
        network.train()
        lr = step.lr
        drawn = batches(training, config.batch_size, config.seed, epoch, config.workers)
        for images, masks in journal.track(drawn, steps, epoch):
            with runtime.autocast():
                logits = network(runtime.send(images))
            loss = criterion(logits, runtime.send(masks))
            step(loss)
            journal.step(loss, len(images))
        speed = journal.speed
        scores = validate(step.network, validation, runtime, contract.threshold, config.batch_size)
        journal.epoch(epoch, lr, speed, scores)
        description = {
            "config": config.to_dict(),
            "contract": contract.to_json(),
            "epoch": epoch,
            "scores": scores,
        }
        if scores["jaccard"] >= best:
            best = scores["jaccard"]
            shipped = step.network.state_dict()
            checkpoint.save(journal.run / "best.pt", {**description, "weights": shipped})
        resumable = {"weights": network.state_dict(), "stepper": step.state_dict(), "best": best}
        checkpoint.save(journal.run / "last.pt", {**description, **resumable})
    journal.close()
    journal.console.print(f"best jaccard {best:.4f}: {journal.run / 'best.pt'}")


def load_run(config: TrainConfig) -> dict[str, Any]:
    """Loads the last checkpoint of the run in --out; its configuration must be this one.

    Raises:
        InputError: no checkpoint, or of a run with other settings.
    """
    state = checkpoint.load(config.out / "last.pt")
    free = {"resume", "data", "out", "device", "workers"}  # may change without changing the run
    asked = {key: value for key, value in config.to_dict().items() if key not in free}
    for key, value in asked.items():
        was = state["config"][key]
        if was != value:
            flag = key.replace("_", "-")
            raise InputError(
                f"--{flag} {value}: the run in {config.out} has {was}; resume it with that"
            )
    return state


if __name__ == "__main__":
    run(train)
