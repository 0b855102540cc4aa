"""What a model file is made from: a checkpoint, and what is chosen after training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from export.graph import count_gflop
from inference.contract import UNFITTED, Contract
from inference.errors import InputError
from training.networks.unet import Arch, UNet, require_size
from training.weights import open_network


@dataclass(frozen=True)
class ContractChanges:
    """Entries of the contract that are chosen after training, on validation images; None keeps an entry.

    Attributes:
        size: Side of the input in pixels; default: as trained. Multiples of 32 suit every network.
        threshold: A pixel is lesion if its probability is above this.
        largest_region: Keep only the largest connected region of a mask.
        fill_holes: Fill the holes in a mask.
    """

    size: int | None = None
    threshold: float | None = None
    largest_region: bool | None = None
    fill_holes: bool | None = None

    def apply(self, contract: Contract) -> Contract:
        """The contract with these changes; what was fitted to others goes."""
        chosen = {key: value for key, value in vars(self).items() if value is not None}
        return dataclasses.replace(contract, **({**UNFITTED, **chosen} if chosen else {}))


AS_TRAINED = ContractChanges()


def open_source(
    path: Path,
    arch: Arch | None = None,
    recurrence: int = 2,
    changes: ContractChanges = AS_TRAINED,
) -> tuple[UNet, Contract]:
    """Opens a checkpoint of any origin; its hash and its arithmetic go into the contract.

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
    network, contract = open_network(path, arch, recurrence)
    contract = changes.apply(contract)
    require_size(contract.size, network.encoder.stride)
    gflop = round(count_gflop(network, contract.size), 4)
    return network, dataclasses.replace(
        contract, provenance={**contract.provenance, "gflop": gflop}
    )
