"""A network compiled by torch.compile, whose failures are a line."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from inference.errors import InputError


def compile_network(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compiles a network when it is first called, for its training steps; the network stays as it is.

    Raises:
        InputError: when first called: it cannot be compiled here, for want of a C++ compiler for example.
    """
    compiled = torch.compile(network)

    def forward(images: Tensor) -> Tensor:
        try:
            return compiled(images)
        except TorchDynamoException as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"--compile: torch.compile fails ({reason}); install a C++ compiler, as in `apt install "
                "g++`, or leave --compile out"
            ) from error

    return forward
