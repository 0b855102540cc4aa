"""Stands in for Ascend's torch_npu where there is no NPU: a device named `npu` in host memory.

Imported as `torch_npu` by the code under test, in a process of its own: a process can name its device
but once. It has the names of the real module that training/device.py uses, and keeps in `settings` what
was set. Process groups of the kind `hccl` carry tensors through the host and gloo.
"""

from __future__ import annotations

import fcntl
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from torch._C._distributed_c10d import _create_work_from_future
from torch.utils import cpp_extension

SOURCE = Path(__file__).with_name("host_memory.cpp")
DEVICES = 2
settings: dict[str, Any] = {}


def make_module() -> types.ModuleType:
    """What is asked of `torch.npu`."""
    module = types.ModuleType("torch_npu.npu")
    current = [0]

    def set_device(device: Any) -> None:
        current[0] = torch.device(device).index if isinstance(device, str) else int(device)

    functions: dict[str, Callable[..., Any]] = {
        "is_initialized": lambda: True,
        "_is_in_bad_fork": lambda: False,
        "is_available": lambda: True,
        "device_count": lambda: DEVICES,
        "current_device": lambda: current[0],
        "set_device": set_device,
        "get_device_name": lambda device=None: "host memory",
        "synchronize": lambda device=None: None,
        "manual_seed": torch.default_generator.manual_seed,
        "manual_seed_all": torch.default_generator.manual_seed,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: torch.set_rng_state(state),
        "get_amp_supported_dtype": lambda: [torch.float16, torch.bfloat16],
        "set_compile_mode": settings.update,
    }
    for name, function in functions.items():
        setattr(module, name, function)
    module.config = types.SimpleNamespace()  # type: ignore[attr-defined]
    module.amp = types.SimpleNamespace(GradScaler=GradScaler)  # type: ignore[attr-defined]
    return module


class GradScaler(torch.amp.GradScaler):
    """The scaler of `torch.npu.amp`, which takes no device and keeps an entry more."""

    def __init__(self, **options: Any) -> None:
        super().__init__("npu", **options)
        settings["scaler"] = options["enabled"]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "dynamic": True} if self.is_enabled() else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        assert state["dynamic"]


class Fused:
    """What the fused optimisers ask for: they work on the memory of the first gradients they see."""

    param_groups: list[dict[str, Any]]
    state: dict[Tensor, dict[str, Any]]
    _first: dict[Tensor, int]

    def __init__(self, parameters: Any, **options: Any) -> None:
        super().__init__(parameters, **options)  # type: ignore[call-arg]
        settings["optimiser"] = type(self).__name__

    def step(self) -> None:
        self._hold()
        for entries in self.state.values():
            entries["step"] = torch.tensor(float(entries["step"]))
        super().step()  # type: ignore[misc]
        for entries in self.state.values():
            entries["step"] = int(entries["step"])  # theirs are plain numbers

    def zero_grad(self, set_to_none: bool = False) -> None:
        assert not set_to_none
        self._hold()
        for weight in self._first:
            weight.grad.zero_()  # type: ignore[union-attr]

    def _hold(self) -> None:
        weights = [weight for group in self.param_groups for weight in group["params"]]
        gradients = [weight.grad for weight in weights]
        assert all(gradient.nbytes == gradient.untyped_storage().nbytes() for gradient in gradients)
        places = {weight: weight.grad.data_ptr() for weight in weights}
        self._first = getattr(self, "_first", places)
        assert places == self._first, "a gradient is not where the optimiser looks for it"


class NpuFusedAdam(Fused, torch.optim.Adam):
    """The fused optimiser: here the plain one, noted."""


class NpuFusedAdamW(Fused, torch.optim.AdamW):
    """The fused optimiser: here the plain one, noted."""


class HostGroup(distributed.ProcessGroup):
    """A process group whose tensors go through the host, over gloo."""

    def __init__(self, store: Any, rank: int, size: int, timeout: Any) -> None:
        super().__init__(rank, size)
        self._gloo = distributed.ProcessGroupGloo(store, rank, size, timeout)

    def getBackendName(self) -> str:  # noqa: N802
        return "hccl"

    def allreduce(self, tensors: list[Tensor], options: Any = None) -> Any:
        return self._through_host(tensors, lambda host: self._gloo.allreduce(host, options))

    def broadcast(self, tensors: list[Tensor], options: Any = None) -> Any:
        return self._through_host(tensors, lambda host: self._gloo.broadcast(host, options))

    def allgather(
        self, outputs: list[list[Tensor]], inputs: list[Tensor], options: Any = None
    ) -> Any:
        flat = [tensor for output in outputs for tensor in output]
        host = [[tensor.cpu() for tensor in output] for output in outputs]
        self._gloo.allgather(host, [tensor.cpu() for tensor in inputs]).wait()
        for tensor, copy in zip(flat, (copy for output in host for copy in output), strict=True):
            tensor.copy_(copy)
        return done(flat)

    def barrier(self, options: Any = None) -> Any:
        return self._gloo.allreduce([torch.zeros(1)])

    def _through_host(self, tensors: list[Tensor], run: Callable[[list[Tensor]], Any]) -> Any:
        if any(tensor.device.type != "npu" for tensor in tensors):
            raise RuntimeError("hccl: a tensor is not on the npu")
        host = [tensor.cpu() for tensor in tensors]
        run(host).wait()
        for tensor, copy in zip(tensors, host, strict=True):
            tensor.copy_(copy)
        return done(tensors)


def done(result: list[Tensor]) -> Any:
    """A piece of work that is finished."""
    future: torch.futures.Future[list[Tensor]] = torch.futures.Future()
    future.set_result(result)
    return _create_work_from_future(future)


def make_group(store: Any, rank: int, size: int, timeout: Any) -> HostGroup:
    """Makes a group of the kind `hccl`."""
    return HostGroup(store, rank, size, timeout)


def build_host_memory() -> None:
    """Twenty seconds at first; what was built is kept for as long as the source stays the same.

    torch's own lock is a file, for which all wait for ever once a process was killed while it built.
    """
    folder = Path(cpp_extension.get_default_build_root()) / f"host_memory_npu-{torch.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        (folder / "lock").unlink(missing_ok=True)
        cpp_extension.load(
            "host_memory_npu",
            [str(SOURCE)],
            extra_cflags=["-O0", "-w"],
            build_directory=str(folder),
            is_python_module=False,
        )


optim = types.SimpleNamespace(NpuFusedAdam=NpuFusedAdam, NpuFusedAdamW=NpuFusedAdamW)
npu = make_module()
torch.utils.rename_privateuse1_backend("npu")
torch._register_device_module("npu", npu)
torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
build_host_memory()
distributed.Backend.register_backend("hccl", make_group, devices=["npu"])
sys.modules[npu.__name__] = npu
