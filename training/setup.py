"""What a run begins with: data, network and the state to resume; every error that can be foreseen."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import torch

from inference.contract import Contract
from inference.errors import InputError
from training.config import TrainConfig
from training.data.batches import Batches
from training.data.cache import Split, open_split
from training.data.folds import open_fold
from training.device import find_kind, list_devices, read_number
from training.networks.unet import UNet, stride_of
from training.records.resume import LAST, load_state
from training.records.run_folder import require_free
from training.weights import open_network, require_outside, take_weights


class Setup(NamedTuple):
    """A run before its first step, on one rank; nothing of it has been written yet.

    Attributes:
        data: describes the images and masks, as `load_state` compares them.
        state: the state to resume from; None at the beginning.
        remarks: what the user should know of it.
    """

    contract: Contract
    training: Split
    validation: Split
    batches: Batches
    network: UNet
    data: dict[str, Any]
    resume: bool
    state: dict[str, Any] | None
    remarks: list[str]

    def introduce(self, config: TrainConfig, ran_on: dict[str, Any], ranks: int) -> str:
        """The first line of a run: what trains what, on what.

        Args:
            ran_on: as `Runtime.describe` returns it.
        """
        device = " ".join(filter(None, (ran_on["device"], ran_on.get("name"))))
        parameters = sum(weight.numel() for weight in self.network.parameters())
        return (
            f"device {device}, ranks {ranks}, threads {ran_on['threads']} per rank, "
            f"network {config.arch} of width {config.width}, parameters {parameters:,}, "
            f"images {len(self.training)} and {len(self.validation)} for validation, "
            f"{config.size} x {config.size}, batch {self.batches.size}"
        )


def set_up(config: TrainConfig, rank: int, ranks: int) -> Setup:
    """Opens the data, builds the network, and loads the weights or the state that a run begins with.

    Raises:
        InputError: the data cannot be opened or divided among the ranks, the weights of --init do not
            fit, or there is nothing to resume.
    """
    contract = Contract(size=config.size, provenance={"arch": config.arch, "width": config.width})
    training, validation = open_data(config)
    batches = Batches(training, config, rank, ranks)
    require_statistics(config, batches.share * (ranks if config.sync_batchnorm else 1))
    data = {"train": training.describe(), "valid": validation.describe()}
    resume = config.resume or os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    torch.manual_seed(config.seed)
    network = UNet(config.arch, config.width, contract.mean, contract.std)
    for teacher in config.teachers:
        require_outside("--teachers", teacher, config.out)
    if config.init and not (resume and (config.out / LAST).exists()):
        take_weights(network, config)
    state, remarks = load_state(config, data) if resume else (None, [])
    return Setup(contract, training, validation, batches, network, data, resume, state, remarks)


def open_data(config: TrainConfig) -> tuple[Split, Split]:
    """The images to train on and those to validate on."""
    if config.fold is not None:
        return open_fold(config.data, config.fold, config.size)
    training, validation = (
        open_split(config.data, split, config.size) for split in ("train", "valid")
    )
    return training, validation


def require_statistics(config: TrainConfig, images: int) -> None:
    """Batch normalisation needs two values per channel in the deepest maps, which are the smallest.

    Args:
        images: of which it takes the mean at once.

    Raises:
        InputError: there is one.
    """
    side = config.size // stride_of(config.arch)
    if images * side**2 < 2:
        raise InputError(
            f"--batch-size {config.batch_size}: with one image of --size {config.size} at a time, "
            "batch normalisation gets a single value; use a batch of 2 per device and part, or "
            f"--size {2 * config.size}"
        )


def rehearse(config: TrainConfig) -> int:
    """Checks what would make every process fail, and makes the caches; the number of processes.

    Raises:
        InputError: something would.
    """
    if read_number("RANK_SIZE", 1) > 1 and os.environ.get("RANK_ID"):
        raise InputError(
            f"RANK_ID={os.environ['RANK_ID']}: set, as in a loop over the devices; this command starts a "
            "process for each device itself: run it once, without the loop"
        )
    kind = find_kind(config.device, config.device_flag)
    processes = len(list_devices(kind, config.devices))
    require_free(config)
    set_up(config, 0, processes * config.nodes)
    for teacher in config.teachers:
        open_network(teacher)
    return processes
