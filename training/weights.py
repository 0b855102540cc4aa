"""Trained weights, whoever trained them: a checkpoint of ours, or of the public reference."""

from __future__ import annotations

from pathlib import Path

from inference.contract import Contract
from inference.errors import InputError
from training import checkpoint
from training.config import TrainConfig
from training.networks import efficientnet_lite as lite
from training.networks import reference
from training.networks.unet import Arch, UNet


def open_trained(
    path: Path, arch: Arch | None = None, recurrence: int = 2
) -> tuple[UNet, Contract]:
    """Builds the network of a checkpoint, with its weights, in evaluation mode.

    Args:
        path: best.pt or last.pt of a run, or a state dict of the public reference or of ModelZoo.
        arch: the network it must hold; None takes what is there.
        recurrence: t of a reference's recurrent network, as in `reference.convert`.

    Raises:
        InputError: no such file, not a checkpoint, or of another network.
    """
    loaded = checkpoint.load(path)
    if "contract" in loaded:
        network, contract = checkpoint.open_network(loaded)
        if arch and arch != loaded["config"]["arch"]:
            raise InputError(
                f"--arch {arch}: {path} holds {loaded['config']['arch']}; leave --arch out"
            )
        return network, contract
    if reference.is_reference(loaded):
        return reference.convert(loaded, arch, recurrence)
    raise InputError(
        f"{path}: is neither a checkpoint of training.train nor a state dict of the reference; "
        "give one of them"
    )


def take_weights(network: UNet, config: TrainConfig) -> None:
    """Copies the weights of the checkpoint --init into a network of the same shape.

    Raises:
        InputError: the checkpoint is of another network.
    """
    assert config.init
    if config.init == "imagenet":
        if config.arch != "attunet_lite0":
            raise InputError(
                f"--init imagenet: --arch {config.arch} has no such weights; give --arch attunet_lite0"
            )
        lite.load_imagenet(network.encoder)
        return
    if config.out.absolute() in config.init.absolute().parents:
        raise InputError(
            f"--init {config.init}: lies in --out {config.out}, which is moved aside; give another --out"
        )
    trained, _ = open_trained(config.init)
    try:
        network.load_state_dict(trained.state_dict())
    except RuntimeError as error:
        raise InputError(
            f"--init {config.init}: holds another network than --arch {config.arch} --width "
            f"{config.width}; give that network's --arch and --width"
        ) from error
