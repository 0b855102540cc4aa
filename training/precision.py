"""How a training step computes: precision levels, gradient scaling, compilation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from inference.errors import InputError

Level = Literal["O0", "O1", "O2"]
Half = Literal["auto", "fp16", "bf16"]
LossScale = Literal["dynamic"] | float
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


class Precision:
    """The arithmetic of a run: mixed-precision training, Micikevicius et al. 2018, arXiv:1710.03740.

    Args:
        device: type of the device that computes, as in `torch.device(...).type`.
        level: O0 computes in float32, O1 under autocast, O2 with half-precision weights beside
            float32 master weights.
        half: the half precision of O1 and O2.
        loss_scale: factor that keeps float16 gradients above 0; "dynamic" adapts it to overflows.
        make_scaler: makes the device's gradient scaler from `init_scale` and `enabled`.

    Attributes:
        scaler: scales losses and unscales gradients; does nothing unless they are float16.
        scale_adapts: True if the scaler skips overflows by itself and lowers its scale.
    """

    def __init__(
        self,
        device: str,
        level: Level,
        half: Literal["fp16", "bf16"],
        loss_scale: LossScale,
        make_scaler: Callable[..., torch.amp.GradScaler],
    ) -> None:
        self.level, self.half = level, DTYPES[half]
        self._device = device
        self._fixed_scale = None if loss_scale == "dynamic" else float(loss_scale)
        self.scaler = make_scaler(
            init_scale=self._fixed_scale or 2.0**16,
            # bfloat16 has the range of float32; only float16 gradients underflow.
            enabled=level != "O0" and self.half == torch.float16,
        )
        self.scale_adapts = self.scaler.is_enabled() and self._fixed_scale is None

    def autocast(self) -> AbstractContextManager[object]:
        """The context of a forward pass."""
        return torch.autocast(self._device, self.half, enabled=self.level != "O0")

    def lower(self, network: nn.Module) -> nn.Module:
        """The network that computes: at O2 a half-precision twin, else the network itself.

        The twin shares the normalisation layers, which stay in float32; its other weights are copies,
        which MasterWeights keeps up to date.
        """
        if self.level != "O2":
            return network
        twin = copy.deepcopy(network).to(self.half)
        for name, module in network.named_modules():
            if isinstance(module, _BatchNorm):
                twin.set_submodule(name, module)
        return twin

    def update_scale(self) -> None:
        """Ends a step of the scaler; a fixed scale stays as it is."""
        self.scaler.update(self._fixed_scale)

    def restore_scaler(self, state: dict[str, Any]) -> None:
        """Loads a scaler's state; an empty one, of a run that scaled nothing, changes nothing."""
        if state:
            self.scaler.load_state_dict({**self.scaler.state_dict(), **state})

    def describe(self) -> dict[str, str]:
        """Level and, above O0, half precision: for a run's records."""
        if self.level == "O0":
            return {"precision": self.level}
        return {"precision": self.level, "half": str(self.half).removeprefix("torch.")}


class MasterWeights:
    """The float32 weights that learn, of a half-precision twin that computes (section 3.1).

    Where one network does both there are no pairs, and nothing is done.

    Args:
        network: holds the master weights.
        twin: of the same parameters in the same order; it may share some.
    """

    def __init__(self, network: nn.Module, twin: nn.Module) -> None:
        pairs = zip(network.parameters(), twin.parameters(), strict=True)
        self._pairs = [(master, half) for master, half in pairs if master is not half]

    def take_gradients(self) -> None:
        """Moves the twin's gradients to the master weights, as float32."""
        for master, half in self._pairs:
            assert half.grad is not None, "every weight takes part in the loss"
            if master.grad is None:
                master.grad = half.grad.float()
            else:  # overwritten, not replaced: fused optimisers keep its address
                master.grad.copy_(half.grad)
            half.grad = None

    @torch.no_grad()
    def update_twin(self) -> None:
        """Copies the master weights to the twin."""
        for master, half in self._pairs:
            half.copy_(master)


def compile_network(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compiles a network for training, at its first call; the network itself does not change.

    Raises:
        InputError: at the first call, if it cannot be compiled, for example without a C++ compiler.
    """
    from torch._dynamo.exc import TorchDynamoException  # 2 s, which the launcher and errors save

    compiled = torch.compile(network)

    def forward(images: Tensor) -> Tensor:
        try:
            return compiled(images)
        except TorchDynamoException as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"--compile: torch.compile failed ({reason}); install a C++ compiler, as in `apt install "
                "g++`, or leave --compile out"
            ) from error

    return forward
