"""Checkpoints of the public reference and of Ascend ModelZoo, under our names.

Both are state dicts (.pkl or .pth) of one of the four networks of LeeJunHyun/Image_Segmentation.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from inference.contract import Contract
from inference.errors import InputError
from training.networks.blocks import RecurrentUnit
from training.networks.unet import DEFAULT_SIZE, Arch, UNet

# Their classes, which ModelZoo's --arch names, and our networks.
ARCHS = {"U_Net": "unet", "AttU_Net": "attunet", "R2U_Net": "r2unet", "R2AttU_Net": "r2attunet"}

# Their module -> ours. Their levels are 1 to 5; our encoder counts from 0 down, {down}, our decoder from
# 0 up, {up}.
NAMES = (
    (r"Conv_1x1\.", "head."),
    (r"Conv(\d)\.conv\.", "encoder.{down}."),
    (r"RRCNN(\d)\.", "encoder.{down}."),
    (r"Up_conv(\d)\.conv\.", "decoder.{up}."),
    (r"Up_RRCNN(\d)\.", "decoder.{up}."),
    (r"Up(\d)\.up\.1\.", "up.{up}.1.0."),
    (r"Up(\d)\.up\.2\.", "up.{up}.1.1."),
    (r"Att(\d)\.W_g\.", "gate.{up}.up."),
    (r"Att(\d)\.W_x\.", "gate.{up}.skip."),
    (r"Att(\d)\.psi\.", "gate.{up}.psi."),
)
# Within a block: conv_block numbers its layers, RRCNN_block names its parts.
PARTS = {"0.": "0.0.", "1.": "0.1.", "3.": "1.0.", "4.": "1.1.", "Conv_1x1.": "project."}


def is_reference(weights: dict[Any, Any]) -> bool:
    """True for a state dict with the reference's names."""
    if not all(isinstance(key, str) and isinstance(weights[key], Tensor) for key in weights):
        return False
    head = weights.get("Conv_1x1.weight")
    return head is not None and head.ndim == 4


def rename(key: str) -> str:
    """Our name for one of their weights.

    Raises:
        InputError: the reference has no weight of this name.
    """
    for pattern, ours in NAMES:
        if match := re.match(pattern, key):
            level = int(match[1]) if match.groups() else 0
            rest = key[match.end() :]
            if ours.startswith(("encoder", "decoder")):
                recurrent = re.match(r"RCNN\.(\d)\.conv\.", rest)
                part = next((part for part in PARTS if rest.startswith(part)), None)
                if recurrent:
                    rest = f"recur.{recurrent[1]}.unit.{rest[recurrent.end() :]}"
                elif part:
                    rest = PARTS[part] + rest.removeprefix(part)
            return ours.format(down=level - 1, up=5 - level) + rest
    raise InputError(f"weight {key}: unknown to the reference networks; check the file")


def convert(weights: dict[str, Tensor], recurrence: int = 2) -> tuple[UNet, Contract]:
    """Builds the network of a reference's state dict.

    Args:
        weights: the state dict, by their names.
        recurrence: t of R2U_Net and R2AttU_Net. It leaves no trace in the weights: the class's default
            is 2, but the public reference's main.py trains with 3 unless --t says otherwise.

    Returns:
        The network, in evaluation mode, and a contract with the reference's preprocessing: squashed
        to 224 x 224, (x / 255 - 0.5) / 0.5.

    Raises:
        InputError: not a complete state dict of one of the four networks.
    """
    arch = recognise(weights)
    ours = {rename(key): value for key, value in weights.items()}
    width = weights["Conv_1x1.weight"].shape[1]
    network = UNet(arch, width)
    require_shapes(ours, network.state_dict(), arch)
    network.load_state_dict(ours, strict=False)
    provenance: dict[str, Any] = {"arch": arch, "width": width, "source": "reference state dict"}
    recurrent = [unit for unit in network.modules() if isinstance(unit, RecurrentUnit)]
    for unit in recurrent:
        unit.recurrence = recurrence
    if recurrent:
        provenance["recurrence"] = recurrence
    return network.eval(), Contract(size=DEFAULT_SIZE, provenance=provenance)


def recognise(weights: dict[str, Tensor]) -> Arch:
    """Tells by its names which of the four networks a state dict is of."""
    recurrent = any(key.startswith("RRCNN") for key in weights)
    gated = any(key.startswith("Att") for key in weights)
    return ("r2" if recurrent else "") + ("attunet" if gated else "unet")


def require_shapes(given: dict[str, Tensor], wanted: dict[str, Tensor], arch: Arch) -> None:
    """Raises InputError unless weights have the names and shapes of a network's."""
    # Files of torch 0.4 and older have no num_batches_tracked.
    missing = [key for key in wanted if key not in given and "num_batches_tracked" not in key]
    wrong = [key for key in given if key not in wanted or given[key].shape != wanted[key].shape]
    if missing or wrong:
        raise InputError(
            f"weights of {arch}: {[*missing, *wrong][0]} and {len(missing) + len(wrong) - 1} more are "
            "missing, unexpected or of another shape; the file is not a complete state dict"
        )
