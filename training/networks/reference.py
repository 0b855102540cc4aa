"""Checkpoints of the public reference and of Ascend ModelZoo, under our names.

Both hold a bare state dict (.pkl or .pth) of one of the four networks of LeeJunHyun/Image_Segmentation;
after a distributed run its keys begin with `module.`.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from inference.contract import Contract
from inference.errors import InputError
from training.networks.unet import Arch, ReferenceArch, UNet

# Their module -> ours. Their levels count 1 to 5 on the way down, our lists 0 to 4, and 0 to 3 on the
# way up. {down} and {up} stand for our number of theirs.
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
# Within a block: conv_block counts its layers through, RRCNN_block names its parts.
PARTS = {"0.": "0.0.", "1.": "0.1.", "3.": "1.0.", "4.": "1.1.", "Conv_1x1.": "project."}


def is_reference(weights: dict[Any, Any]) -> bool:
    """True for a state dict with the reference's names."""
    if not all(isinstance(key, str) and isinstance(weights[key], Tensor) for key in weights):
        return False
    head = strip(weights).get("Conv_1x1.weight")
    return head is not None and head.ndim == 4


def strip(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Removes the prefixes that a distributed run leaves."""
    return {re.sub(r"^(module\.)+", "", key): value for key, value in weights.items()}


def rename(key: str) -> str:
    """Our name of one of their weights.

    Raises:
        InputError: the reference has no such weight.
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
    raise InputError(f"weight {key}: the reference networks have none of this name; check the file")


def convert(
    weights: dict[str, Tensor], arch: Arch | None = None, recurrence: int = 2
) -> tuple[UNet, Contract]:
    """Builds the network of a reference's state dict.

    Args:
        weights: what the file held.
        arch: the network it must be; None takes what the names say.
        recurrence: t of R2U_Net and R2AttU_Net. It leaves no trace in the weights: the class's default
            is 2, but the public reference's main.py trains with 3 unless --t says another.

    Returns:
        The network, in evaluation mode, and a contract with the reference's preprocessing: squashed
        to 224 x 224, (x / 255 - 0.5) / 0.5.

    Raises:
        InputError: not a state dict of the reference, or of another network than `arch`.
    """
    weights = strip(weights)
    found = recognise(weights)
    if arch and arch != found:
        raise InputError(f"--arch {arch}: the weights are of {found}; leave --arch out")
    ours = {rename(key): value for key, value in weights.items()}
    width = weights["Conv_1x1.weight"].shape[1]
    network = UNet(found, width, recurrence=recurrence)
    require_shapes(ours, network.state_dict(), found)
    network.load_state_dict(ours, strict=False)
    provenance: dict[str, Any] = {"arch": found, "width": width, "source": "reference state dict"}
    if found.startswith("r2"):
        provenance["recurrence"] = recurrence
    return network.eval(), Contract(size=224, provenance=provenance)


def require_shapes(given: dict[str, Tensor], wanted: dict[str, Tensor], arch: Arch) -> None:
    """Raises InputError unless weights are those of a network, by name and shape."""
    # Files of torch 0.4 and older have no counters of batches.
    missing = [key for key in wanted if key not in given and "num_batches_tracked" not in key]
    other = [key for key in given if key not in wanted or given[key].shape != wanted[key].shape]
    if missing or other:
        raise InputError(
            f"weights of {arch}: {[*missing, *other][0]} and {len(missing) + len(other) - 1} more are "
            "missing, too many or of another shape; the file is not a whole state dict of the reference"
        )


def recognise(weights: dict[str, Tensor]) -> ReferenceArch:
    """Which of the four networks a state dict is of, by its names."""
    recurrent = any(key.startswith("RRCNN") for key in weights)
    gated = any(key.startswith("Att") for key in weights)
    if recurrent:
        return "r2attunet" if gated else "r2unet"
    return "attunet" if gated else "unet"
