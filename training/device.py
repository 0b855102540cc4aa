"""Where a network runs. The only file of training that names devices."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from inference.command import InputError

Device = Literal["auto", "cpu", "cuda", "npu"]
Network = TypeVar("Network", bound=nn.Module)
CURES = {
    "cuda": "install a CUDA build of torch and check `nvidia-smi`",
    "npu": "install the npu extra, CANN, and source its set_env.sh",
}


class Runtime:
    """A device and its arithmetic.

    Args:
        device: "auto", or the device's name.
        opt_level: "O0" float32; "O1" automatic mixed precision.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, device: Device = "auto", opt_level: str = "O0") -> None:
        found = torch.accelerator.current_accelerator(check_available=True)
        available = found.type if found else "cpu"
        if device not in ("auto", "cpu", available):
            raise InputError(
                f"--device {device}: torch finds no such device; {CURES[device]}, or use --device auto"
            )
        self.device = torch.device(available if device == "auto" else device)
        self.half = torch.bfloat16 if self.device.type == "cpu" else torch.float16
        self.mixed = opt_level == "O1"
        # bfloat16 has the range of float32; float16 needs its gradients scaled.
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.mixed and self.half == torch.float16
        )

    def place(self, network: Network) -> Network:
        """Moves a network here, in the memory format that convolutions are fastest in."""
        return network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def send(self, tensor: Tensor) -> Tensor:
        """Moves a tensor here."""
        return tensor.to(self.device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for the forward pass, as the level asks."""
        return torch.autocast(self.device.type, self.half, enabled=self.mixed)
