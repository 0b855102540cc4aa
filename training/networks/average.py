"""The exponential moving average of a network, which is validated and shipped."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

PREFIX = "module."  # of the weights in a state


class MovingAverage:
    """The average of a network's weights and normalisation statistics over its updates.

    torch's AveragedModel does the same, but lists and groups all tensors anew at every update, and reads
    its counter from the device, for which an accelerator waits twice a step.

    Args:
        network: its tensors are updated in place, and never replaced.
        decay: per update; less at the beginning.

    Attributes:
        network: the averaged network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self._decay, self._updates = decay, 0
        self._averaged, self._counts = split_tensors(self.network)
        self._current, self._current_counts = split_tensors(network)

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the network by 1 - decay, by more at the beginning.

        The first weights are far from good: (1 + n) / (10 + n) forgets them within tens of updates.
        """
        count = self._updates
        decay = min(self._decay, (1 + count) / (10 + count)) if count else 0.0
        torch._foreach_lerp_(self._averaged, self._current, 1 - decay)
        torch._foreach_copy_(self._counts, self._current_counts)
        self._updates += 1

    def state_dict(self) -> dict[str, Any]:
        """As AveragedModel's, which wrote the checkpoints of earlier releases."""
        state = self.network.state_dict(prefix=PREFIX)
        return {"n_averaged": torch.tensor(self._updates), **state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Loads what `state_dict` returned."""
        weights = {
            name.removeprefix(PREFIX): tensor
            for name, tensor in state.items()
            if name.startswith(PREFIX)
        }
        self.network.load_state_dict(weights)
        self._updates = int(state["n_averaged"])


def split_tensors(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and statistics; and the counters of the normalisation layers."""
    tensors = [*network.parameters(), *network.buffers()]
    return (
        [tensor for tensor in tensors if tensor.is_floating_point()],
        [tensor for tensor in tensors if not tensor.is_floating_point()],
    )
