"""What a model file is made from: a checkpoint, and what is chosen after training."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

from export.graph import count_gflop
from inference.contract import Contract
from inference.errors import InputError
from training.networks.unet import Arch, UNet
from training.weights import open_trained


@dataclass(frozen=True)
class ContractChanges:
    """Entries of the contract that are chosen after training, on validation images; None keeps an entry.

    Attributes:
        size: Side of the input in pixels, a multiple of 16 (attunet_lite0: 32), if not that of training.
        threshold: A pixel is lesion if its probability is above this.
        largest_region: Keep only the largest connected region of a mask.
        fill_holes: Fill the holes in a mask.
    """

    size: int | None = None
    threshold: float | None = None
    largest_region: bool | None = None
    fill_holes: bool | None = None

    def apply(self, contract: Contract) -> Contract:
        """The contract with these changes."""
        chosen = {key: value for key, value in vars(self).items() if value is not None}
        return dataclasses.replace(contract, **chosen)


AS_TRAINED = ContractChanges()


def open_source(
    path: Path,
    arch: Arch | None = None,
    recurrence: int = 2,
    changes: ContractChanges = AS_TRAINED,
) -> tuple[UNet, Contract]:
    """Opens a checkpoint of ours or of the public reference; its hash goes into the contract.

    Args:
        arch: the network that the checkpoint must hold; None takes what is there.
        recurrence: t of a reference's recurrent network.

    Returns:
        The network in evaluation mode, and its contract.

    Raises:
        InputError: the checkpoint cannot be opened, or the network does not take this size.
    """
    if recurrence < 1:
        raise InputError(f"--recurrence {recurrence}: must be at least 1; omit it")
    network, contract = open_trained(path, arch, recurrence)
    contract = changes.apply(contract)
    if contract.size < 1 or contract.size % network.multiple:
        raise InputError(
            f"--size {contract.size}: must be a multiple of {network.multiple}; change it"
        )
    origin = {
        "checkpoint": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "gflop": round(count_gflop(network, contract.size), 4),
    }
    return network, dataclasses.replace(contract, provenance={**contract.provenance, **origin})
