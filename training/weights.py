"""Opens trained weights of any origin: our checkpoints, the public reference, ModelZoo, ImageNet."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inference.contract import Contract
from inference.errors import InputError, naming
from training import checkpoint
from training.config import TrainConfig
from training.networks import reference
from training.networks.efficientnet_lite import PRETRAINED, EfficientNetLite, load_imagenet
from training.networks.unet import NETWORKS, Arch, UNet

# Entries under which scripts save a state dict, and what wrappers of a network put before its keys.
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "ema_state_dict",
    "model",
    "net",
    "network",
    "params",
    "weights",
)
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")


def open_network(
    path: Path, arch: Arch | None = None, recurrence: int = 2
) -> tuple[UNet, Contract]:
    """Builds a network from its weights, in evaluation mode.

    Args:
        path: best.pt or last.pt of a run, or a state dict of the public reference or of ModelZoo.
        arch: the network that it must hold; None accepts any.
        recurrence: t of a reference's recurrent network, as in `reference.convert`.

    Returns:
        The network, and its contract, whose provenance names the file and its SHA-256.

    Raises:
        InputError: no such file, not a checkpoint, of another network, or not finite.
    """
    loaded = checkpoint.load(path)
    if "contract" in loaded:
        network, contract = build_network(loaded, path)
    elif reference.is_reference(weights := find_state_dict(loaded)):
        require_plain(weights, path)
        with naming(path):
            network, contract = reference.convert(weights, recurrence)
    else:
        raise InputError(
            f"{path}: neither a checkpoint of training.train nor a state dict of the public reference; "
            "give one of these"
        )
    if not checkpoint.is_finite(network.state_dict()):
        raise InputError(f"{path}: holds weights that are infinite or nan; give another checkpoint")
    if arch and arch != network.arch:
        raise InputError(f"--arch {arch}: {path} holds {network.arch}; leave --arch out")
    origin = {"checkpoint": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return network, replace(contract, provenance={**contract.provenance, **origin})


def build_network(trained: dict[str, Any], path: Path) -> tuple[UNet, Contract]:
    """Builds the network of a loaded checkpoint of ours, with the averaged weights if it has them.

    Raises:
        InputError: the checkpoint is incomplete.
    """
    with naming(path):
        contract = Contract.from_json(trained["contract"])
    try:
        config = trained["config"]
        network = UNet(config["arch"], config["width"], contract.mean, contract.std)
        averaged = strip(trained.get("stepper", {}).get("average", {}))
        averaged.pop("n_averaged", None)
        weights = averaged or trained["weights"]
        require_plain(weights, path)
        network.load_state_dict(weights)
    except (KeyError, TypeError, AttributeError, AssertionError, RuntimeError, InputError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: weights do not fit the network in its config ({reason}); "
            "give the file as training.train wrote it"
        ) from error
    return network.eval(), contract


def take_weights(network: UNet, config: TrainConfig) -> None:
    """Starts a network from the weights that --init names.

    Raises:
        InputError: they cannot be opened, or are of another network.
    """
    if config.init == "imagenet":
        if not isinstance(network.encoder, EfficientNetLite):
            fitting = [name for name, parts in NETWORKS.items() if parts.encoder in PRETRAINED]
            raise InputError(
                f"--init imagenet: there are no such weights for --arch {network.arch}; "
                f"use --arch {' or '.join(fitting)}"
            )
        load_imagenet(network.encoder)
        return
    assert config.init
    require_outside("--init", config.init, config.out)
    trained, _ = open_network(config.init)
    try:
        network.load_state_dict(trained.state_dict())
    except RuntimeError as error:
        raise InputError(
            f"--init {config.init}: does not fit --arch {config.arch} --width {config.width}; "
            "use the --arch and --width that it was trained with"
        ) from error


def require_outside(flag: str, path: Path, run: Path) -> None:
    """Raises InputError for weights in the folder of the run: others will take their place."""
    if run.resolve() in path.resolve().parents:
        raise InputError(
            f"{flag} {path}: is inside --out {run}, which will be renamed; give another --out"
        )


def require_plain(weights: dict[str, Any], path: Path) -> None:
    """Raises InputError unless all weights are dense numbers with fractions; counters may be whole."""
    for name, weight in weights.items():
        if isinstance(weight, Tensor) and not (
            weight.layout == torch.strided
            and weight.device.type == "cpu"
            and (weight.is_floating_point() or name.endswith("num_batches_tracked"))
        ):
            raise InputError(
                f"{path}: weight {name} is {weight.dtype}, {weight.layout} on {weight.device}; give a "
                "checkpoint of dense float weights"
            )


def find_state_dict(loaded: dict[str, Any]) -> dict[str, Any]:
    """Unwraps a state dict: out of dicts that hold it as an entry, its keys without prefixes."""
    for name in WRAPPERS:
        if isinstance(loaded.get(name), dict):
            return find_state_dict(loaded[name])
    return strip(loaded)


def strip(weights: dict[str, Any]) -> dict[str, Any]:
    """Removes the prefixes that wrappers of networks put before the keys of a state dict, such as
    nn.DataParallel, torch.compile, torch.optim.swa_utils.AveragedModel and Lightning's modules."""
    stripped = {}
    for key, value in weights.items():
        while isinstance(key, str) and key.startswith(PREFIXES):
            key = key.split(".", 1)[1]
        stripped[key] = value
    return stripped
