"""Where a network runs. The only file of training that names devices."""

from __future__ import annotations

import copy
import importlib
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from inference.errors import InputError
from inference.machine import usable_cores
from training.memory import keep_memory

if TYPE_CHECKING:  # which imports the names of devices from here
    from training.config import TrainConfig

Device = Literal["auto", "cpu", "cuda", "npu"]
Network = TypeVar("Network", bound=nn.Module)
CURES = {
    "cuda": "install a CUDA build of torch and check `nvidia-smi`",
    "npu": "install the npu extra and CANN, run `source /usr/local/Ascend/cann/set_env.sh` and check "
    "`npu-smi info`; on a machine without CANN, TORCH_DEVICE_BACKEND_AUTOLOAD=0 lets torch start",
}
HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}


class Runtime:
    """A device and its arithmetic.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._vendor = open_npu() if config.device == "npu" else None
        found = torch.accelerator.current_accelerator(check_available=True)
        available = found.type if found else "cpu"
        if config.device not in ("auto", "cpu", available):
            raise InputError(
                f"--device {config.device}: torch finds no such device; {CURES[config.device]}, "
                "or use --device auto"
            )
        kind = available if config.device == "auto" else config.device
        if kind == "npu":
            self._vendor = open_npu()
        self.device = open_device(kind, config.devices)
        self.precision = config.precision
        dtype = config.amp_dtype
        self.half = HALF[("bf16" if kind == "cpu" else "fp16") if dtype == "auto" else dtype]
        self._fixed_scale = None if config.loss_scale == "dynamic" else float(config.loss_scale)
        # Atlas cards of the 910A kind saturate where others overflow: their own scaler can tell.
        scaler: Any = self._vendor.npu.amp.GradScaler if self._vendor else torch.amp.GradScaler
        # bfloat16 has the range of float32; float16 needs its gradients scaled.
        self.scaler = scaler(
            *([] if self._vendor else [kind]),
            init_scale=self._fixed_scale or 2.0**16,
            enabled=self.precision != "O0" and self.half == torch.float16,
        )
        self.scale_adapts = self.scaler.is_enabled() and self._fixed_scale is None

    def place(self, network: Network) -> Network:
        """Moves a network here, in the memory format that convolutions are fastest in."""
        # NPUs have a format of their own inside, and refuse channels_last.
        fastest = torch.contiguous_format if self._vendor else torch.channels_last
        return network.to(device=self.device, memory_format=fastest)  # type: ignore[call-overload]

    def lower(self, network: nn.Module) -> nn.Module:
        """The network that computes: at O2 a half-precision twin, else the network itself.

        The twin shares the normalisation layers, which stay in float32; all its other weights are
        copies, for the Stepper to keep up with the float32 ones.
        """
        if self.precision != "O2":
            return network
        twin = copy.deepcopy(network).to(self.half)
        for name, module in network.named_modules():
            if isinstance(module, _BatchNorm):
                twin.set_submodule(name, module)
        return twin

    def send(self, tensor: Tensor) -> Tensor:
        """Moves a tensor here."""
        return tensor.to(self.device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for a forward pass, as the level asks."""
        return torch.autocast(self.device.type, self.half, enabled=self.precision != "O0")

    def make_optimiser(
        self, parameters: Iterable[Tensor], config: TrainConfig
    ) -> torch.optim.Optimizer:
        """Adam or AdamW in its fused form: one pass over the weights.

        That of NPUs works on the memory that the gradients have when it first sees them: they are to be
        zeroed and written to, never replaced.
        """
        decoupled = config.optimiser == "adamw"
        settings: dict[str, Any] = {"lr": config.lr, "betas": config.betas}
        settings["weight_decay"] = config.weight_decay
        if self._vendor:
            fused = self._vendor.optim
            kind = fused.NpuFusedAdamW if decoupled else fused.NpuFusedAdam
        else:
            kind = torch.optim.AdamW if decoupled else torch.optim.Adam
            settings["fused"] = self.device.type in ("cpu", "cuda")
        return kind(parameters, **settings)

    def restore(
        self, optimiser: torch.optim.Optimizer, state: dict[str, Any], scaler: dict[str, Any]
    ) -> None:
        """Takes up the states of an optimiser and of a scaler, of this kind of device or another."""
        groups = optimiser.state_dict()["param_groups"]  # with what is set for this device
        optimiser.load_state_dict({**state, "param_groups": groups})
        if self._vendor:  # whose optimisers count a tensor twice
            for entries in optimiser.state.values():
                entries["step"] = int(entries["step"])
        if scaler:
            self.scaler.load_state_dict({**self.scaler.state_dict(), **scaler})

    def update_scale(self) -> None:
        """Ends a step of the scaler; a fixed scale stays what it is."""
        self.scaler.update(self._fixed_scale)

    def random_state(self) -> dict[str, Tensor]:
        """States of the generators of random numbers, the device's included."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type != "cpu":
            states[self.device.type] = torch.get_device_module(self.device).get_rng_state()
        return states

    def set_random_state(self, states: dict[str, Tensor]) -> None:
        """Sets what `random_state` returned; a device that was not there is left as it is."""
        torch.set_rng_state(states["cpu"])
        if self.device.type in states and self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(states[self.device.type])

    def describe(self) -> dict[str, Any]:
        """What the run ran on, for its records."""
        device: dict[str, Any] = {"device": str(self.device), "threads": torch.get_num_threads()}
        if self.precision != "O0":
            device["half"] = str(self.half).removeprefix("torch.")
        if self.device.type != "cpu":
            device["name"] = torch.get_device_module(self.device).get_device_name(self.device)
        return {**device, "precision": self.precision}


def open_npu() -> Any:
    """Loads torch's extension for Ascend and sets it to what convolutions of fixed shape need.

    Raises:
        InputError: the extension or CANN is missing.
    """
    try:
        vendor: Any = importlib.import_module("torch_npu")
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--device npu: torch_npu cannot be loaded ({reason}); {CURES['npu']}"
        ) from error
    vendor.npu.set_compile_mode(jit_compile=False)  # compiled operators, no compilation a shape
    vendor.npu.config.allow_internal_format = False
    return vendor


def open_device(kind: str, indices: list[int]) -> torch.device:
    """Makes a device the current one: that of this process among those of the machine.

    Raises:
        InputError: there are fewer devices than processes, or than the list names.
    """
    rank = int(os.environ.get("LOCAL_RANK", 0))
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if kind == "cpu":
        keep_memory()
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, usable_cores() // processes))
        return torch.device(kind)
    count = torch.accelerator.device_count()
    indices = indices or list(range(count))
    if rank >= len(indices) or indices[rank] >= count:
        raise InputError(
            f"--device-list {','.join(map(str, indices))}: process {rank} needs a {kind} of its own and "
            f"{count} are there; start fewer processes, or name others"
        )
    torch.accelerator.set_device_index(indices[rank])
    return torch.device(kind, indices[rank])


def count_devices(kind: str) -> int:
    """Devices of this machine that may be trained on; the CPU is one."""
    return 1 if kind == "cpu" else max(1, torch.accelerator.device_count())
