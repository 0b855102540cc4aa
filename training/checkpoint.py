"""Checkpoints: all that is needed to go on, or to export; written whole or not at all."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inference.contract import Contract
from inference.errors import InputError
from inference.files import replacing
from training.networks.unet import UNet


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Writes a checkpoint atomically: tensors and plain values alone.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(on_cpu(checkpoint), file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name of the one before
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be written ({reason}); the checkpoint before is kept: free space, and go on "
            "with --resume"
        ) from error


def on_cpu(entry: Any) -> Any:
    """Copies the tensors of nested dicts and lists from their devices: any machine can open them."""
    if isinstance(entry, Tensor):
        return entry.detach().cpu()
    if isinstance(entry, dict):
        return {key: on_cpu(value) for key, value in entry.items()}
    return [on_cpu(value) for value in entry] if isinstance(entry, list) else entry


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint or a state dict onto the CPU; nothing in the file is executed.

    Raises:
        InputError: no such file, or not a checkpoint.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; give one that training.train wrote")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of old kinds of files, which are read or refused anyway
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than weights and plain values (a whole pickled network?), or is no "
            "checkpoint; save network.state_dict() with torch.save"
        ) from error
    except Exception as error:  # a damaged file makes torch raise whatever it comes across
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: cannot be read as a checkpoint ({reason}); give another"
        ) from error
    if not isinstance(checkpoint, dict):
        raise InputError(
            f"{path}: holds a {type(checkpoint).__name__}, not a checkpoint; give another"
        )
    return checkpoint


def shipped_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that are validated and exported: the averaged ones if there are any."""
    average = checkpoint.get("stepper", {}).get("average", {})
    prefix = "module."
    averaged = {key.removeprefix(prefix): average[key] for key in average if key.startswith(prefix)}
    return averaged or checkpoint["weights"]


def open_network(checkpoint: dict[str, Any]) -> tuple[UNet, Contract]:
    """Builds the network that a checkpoint of ours ships, in evaluation mode.

    Raises:
        InputError: the checkpoint is not whole.
    """
    contract = Contract.from_json(checkpoint["contract"])
    try:
        config = checkpoint["config"]
        network = UNet(config["arch"], config["width"], contract.mean, contract.std)
        network.load_state_dict(shipped_weights(checkpoint))
    except (KeyError, TypeError, AttributeError, AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"checkpoint with other weights than its config says ({reason})"
        ) from error
    return network.eval(), contract
