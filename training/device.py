"""Where a network runs. The only file of training that names devices."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from inference.cann import source_cann
from inference.errors import InputError
from inference.machine import usable_cores
from training.precision import Half, Level, LossScale, Precision

Device = Literal["auto", "cpu", "cuda", "npu"]
Network = TypeVar("Network", bound=nn.Module)
# Of variables that a launcher sets: torchrun, a scheduler, Ascend's scripts.
START_FIX = "start the processes with torchrun, or unset it"
DEVICE_HINTS = {
    "cuda": "install a CUDA build of torch and check `nvidia-smi`",
    "npu": f"install the npu extra and CANN, {source_cann()} and check `npu-smi info`; on a machine "
    "without CANN, TORCH_DEVICE_BACKEND_AUTOLOAD=0 lets torch start",
}


class Runtime:
    """A device and the precision it computes in.

    Args:
        device: kind of device; "auto" takes the accelerator if there is one.
        indices: devices of the machine to train on, one a process; all if empty.
        flag: as in `find_kind`.
        level, half, loss_scale: as in Precision; half "auto" is bf16 on CPU, else fp16.

    Attributes:
        device: the device of this process.
        precision: its arithmetic.

    Raises:
        InputError: there is no such device.
    """

    def __init__(
        self,
        device: Device = "auto",
        indices: Sequence[int] = (),
        flag: str = "",
        *,
        level: Level = "O0",
        half: Half = "auto",
        loss_scale: LossScale = "dynamic",
    ) -> None:
        kind = find_kind(device, flag)
        self._vendor = open_npu() if kind == "npu" else None
        self.device = open_device(kind, indices)
        if half == "auto":
            half = "bf16" if kind == "cpu" else "fp16"
        # Atlas cards of the 910A kind saturate where others overflow: only their own scaler notices.
        make_scaler: Any = (
            self._vendor.npu.amp.GradScaler if self._vendor else partial(torch.amp.GradScaler, kind)
        )
        self.precision = Precision(kind, level, half, loss_scale, make_scaler)

    def place(self, network: Network) -> Network:
        """Moves a network to the device, in the memory format that makes convolutions fastest."""
        # NPUs have a format of their own inside, and refuse channels_last.
        fastest = torch.contiguous_format if self._vendor else torch.channels_last
        return network.to(device=self.device, memory_format=fastest)  # type: ignore[call-overload]

    def send(self, tensor: Tensor) -> Tensor:
        """Moves a tensor to the device."""
        return tensor.to(self.device, non_blocking=True)

    def make_optimiser(
        self,
        parameters: Iterable[Tensor],
        *,
        decoupled: bool,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> torch.optim.Optimizer:
        """Adam, or AdamW if weight decay is decoupled, in fused form: one pass over the weights.

        The one for NPUs keeps the addresses of the first gradients it sees: zero them and write to
        them, but never replace them.
        """
        settings: dict[str, Any] = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        if self._vendor:
            fused = self._vendor.optim
            kind = fused.NpuFusedAdamW if decoupled else fused.NpuFusedAdam
        else:
            kind = torch.optim.AdamW if decoupled else torch.optim.Adam
            settings["fused"] = self.device.type in ("cpu", "cuda")
        return kind(parameters, **settings)

    def restore_optimiser(self, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Loads an optimiser's state, saved on this kind of device or another."""
        groups = optimiser.state_dict()["param_groups"]  # with this device's settings
        optimiser.load_state_dict({**state, "param_groups": groups})
        if self._vendor:  # whose optimisers count each step twice if the count is a tensor
            for entries in optimiser.state.values():
                entries["step"] = int(entries["step"])

    def random_state(self) -> dict[str, Tensor]:
        """States of the random number generators, by device type."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type != "cpu":
            states[self.device.type] = torch.get_device_module(self.device).get_rng_state()
        return states

    def set_random_state(self, states: dict[str, Tensor]) -> None:
        """Sets what `random_state` returned; a device without a saved state keeps its own."""
        torch.set_rng_state(states["cpu"])
        if self.device.type in states and self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(states[self.device.type])

    def describe(self) -> dict[str, Any]:
        """Device, threads and precision: for a run's records."""
        device: dict[str, Any] = {"device": str(self.device), "threads": torch.get_num_threads()}
        if self.device.type != "cpu":
            device["name"] = torch.get_device_module(self.device).get_device_name(self.device)
        return {**device, **self.precision.describe()}

    def remarks(self) -> list[str]:
        """What the user should know: a processor without half-precision arithmetic emulates it."""
        level, half = self.precision.level, self.precision.half
        if self.device.type != "cpu" or level == "O0" or computes_in(half):
            return []
        name = "bf16" if half == torch.bfloat16 else "fp16"
        return [
            f"--opt-level {level}: torch has no {name} arithmetic for this processor and emulates it, "
            "several times slower than float32; --opt-level O0 is faster here"
        ]


def read_number(name: str, default: int) -> int:
    """The number in a variable; an empty one is as none.

    Raises:
        InputError: it is no whole number.
    """
    text = os.environ.get(name, "").strip()
    if text and not text.isdecimal():
        raise InputError(f"{name}={text}: must be a whole number; {START_FIX}")
    return int(text or default)


def find_kind(device: Device, flag: str = "") -> str:
    """The kind of device that `device` means on this machine.

    Args:
        flag: that asks for accelerators, if there is one: the CPU then has to be asked for as well.

    Raises:
        InputError: there is no such device.
    """
    if device == "npu":
        open_npu()
    found = torch.accelerator.current_accelerator(check_available=True)
    available = found.type if found else "cpu"
    if device not in ("auto", "cpu", available):
        raise InputError(
            f"--device {device}: torch finds no such device; {DEVICE_HINTS[device]}, or use --device auto"
        )
    processes = read_number("LOCAL_WORLD_SIZE", 1)
    flag = flag or (f"torchrun --nproc-per-node {processes}" if processes > 1 else "")
    if device == "auto" and available == "cpu" and flag:
        raise InputError(
            f"{flag}: torch finds no accelerator on this machine; train on its CPU with --device cpu (in "
            "make: ARGS='--device cpu'), or see what `python -m inference.doctor` says"
        )
    return available if device == "auto" else device


def open_npu() -> Any:
    """Loads torch's extension for Ascend and sets it up for convolutions of fixed shape.

    Raises:
        InputError: the extension or CANN is missing.
    """
    try:
        vendor: Any = importlib.import_module("torch_npu")
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--device npu: torch_npu cannot be loaded ({reason}); {DEVICE_HINTS['npu']}"
        ) from error
    vendor.npu.set_compile_mode(jit_compile=False)  # prebuilt operators: nothing compiled per shape
    vendor.npu.config.allow_internal_format = False
    return vendor


def open_device(kind: str, indices: Sequence[int] = ()) -> torch.device:
    """Makes the device of this process the current one.

    Args:
        indices: as in Runtime; the process with local rank n gets the n-th.

    Raises:
        InputError: there are fewer devices than processes, or than the list names.
    """
    rank = read_number("LOCAL_RANK", 0)
    processes = read_number("LOCAL_WORLD_SIZE", 1)
    if kind == "cpu":
        keep_memory()
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, usable_cores() // processes))
        return torch.device(kind)
    listed = list_devices(kind, indices)
    if rank >= len(listed):
        raise InputError(
            f"process {rank} needs a {kind} device of its own, and there are {len(listed)}; start fewer "
            "processes, or list more devices with --device-list"
        )
    torch.accelerator.set_device_index(listed[rank])
    return torch.device(kind, listed[rank])


def list_devices(kind: str, indices: Sequence[int] = ()) -> Sequence[int]:
    """The devices of this machine to train on: all, or those named; the CPU is as many as are named.

    Raises:
        InputError: one that is named is not there.
    """
    if kind == "cpu":
        return indices or (0,)
    count = torch.accelerator.device_count()
    if indices and max(indices) >= count:
        raise InputError(
            f"--device-list {','.join(map(str, indices))}: this machine has {count} {kind} devices, from "
            "0 on; list others"
        )
    return indices or range(count)


def computes_in(half: torch.dtype) -> bool:
    """Whether this machine's processor, or torch's library for it, computes in half precision."""
    if not torch.backends.mkldnn.is_available():
        return False
    library = torch.ops.mkldnn
    if half == torch.bfloat16:
        return bool(library._is_mkldnn_bf16_supported())
    return bool(library._is_mkldnn_fp16_supported())


def keep_memory() -> None:
    """Lets the C library keep freed memory for the next step instead of returning it.

    By default glibc maps every large tensor anew, and the kernel fills it with zeros page by page: a
    fifth of a training step on CPU. The numbers are malloc.h's M_MMAP_MAX and M_TRIM_THRESHOLD. C
    libraries without mallopt are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-4, 0)
        mallopt(-1, -1)  # any finite threshold, 2 GB at most, is less than a large batch needs


@contextmanager
def explain_memory(batch_size: int, accumulate: int) -> Iterator[None]:
    """Turns any device's out-of-memory error into one line, for a run with these settings.

    Raises:
        InputError: out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        exhausted = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not exhausted and "allocate memory" not in str(error):
            raise
        raise InputError(
            f"--batch-size {batch_size}: out of memory; compute each batch in more parts with "
            f"--accumulate {2 * accumulate}, or make it smaller"
        ) from error
