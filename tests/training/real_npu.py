"""What training asks of the real torch_npu, checked where that is and an NPU is not, by assertion.

Prints what it found, one line each; torch_npu_wheel.py runs it.
"""

from __future__ import annotations

import copy
import inspect
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch_npu
from torch import Tensor
from torch.distributed import Backend, get_default_backend_for_device
from torch_npu._C._distributed_c10d import ProcessGroupHCCL
from torch_npu.optim import npu_fused_adam, npu_fused_adamw, npu_fused_optim_base

from training.config import make_config
from training.device import Runtime, open_npu
from training.distributed import Ranks
from training.networks.unet import UNet
from training.optimise import Stepper

# Operators of the networks and losses, by what autocast makes of their inputs.
HALF = {"conv2d", "convolution", "conv_transpose2d.input"}
AS_GIVEN = {
    "batch_norm",
    "relu",
    "sigmoid",
    "mul.Tensor",
    "add.Tensor",
    "cat",
    "max_pool2d",
    "mean",
}
FLOAT = {"binary_cross_entropy_with_logits", "sum", "pow.Tensor_Scalar"}


def check_names() -> None:
    vendor = open_npu()
    assert vendor is torch_npu and not torch.npu.is_available()
    assert torch.accelerator.current_accelerator(check_available=True) is None
    assert get_default_backend_for_device("npu") == "hccl"
    for name in ("get_rng_state", "set_rng_state", "get_device_name", "set_device", "device_count"):
        assert callable(getattr(vendor.npu, name))
    scaler = inspect.signature(vendor.npu.amp.GradScaler).parameters
    assert {"init_scale", "enabled"} <= set(scaler) and next(iter(scaler)) == "init_scale"
    update = inspect.signature(vendor.npu.amp.GradScaler.update).parameters
    assert list(update) == ["self", "new_scale"]
    assert torch.utils._foreach_utils._get_foreach_kernels_supported_devices()[-1] == "npu"
    assert callable(vendor.npu.set_compile_mode) and vendor.npu.config
    say("names", f"torch_npu {vendor.__version__} with torch {torch.__version__}: all are there")
    say("GradScaler", f"{', '.join(scaler)}; update(new_scale)")


def check_autocast() -> None:
    """Autocast acts on the operators that it acts on with CUDA, and on no others of ours."""

    def has(operator: str, key: str) -> bool:
        return torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{operator}", key)

    acted = {name for name in HALF | AS_GIVEN | FLOAT if has(name, "AutocastPrivateUse1")}
    assert acted == HALF | FLOAT, acted ^ (HALF | FLOAT)
    # Nearest neighbours are copies: exact in half precision too.
    other = {
        name
        for name in ("upsample_nearest2d", "upsample_bilinear2d", *HALF, *AS_GIVEN, *FLOAT)
        if has(name, "AutocastPrivateUse1") != has(name, "AutocastCUDA")
    }
    assert other <= {"upsample_nearest2d", "upsample_bilinear2d"}, other
    say("autocast", f"{len(acted)} of ours; unlike CUDA, not {', '.join(sorted(other)) or 'none'}")


def check_groups() -> None:
    """HCCL is a kind of process group; the defaults of its options are used."""
    assert Backend._plugins["HCCL"].extended_api
    options = {name for name in dir(ProcessGroupHCCL.Options) if not name.startswith("_")}
    assert {"op_timeout", "global_ranks_in_group"} <= options
    say("HCCL options", ", ".join(sorted(options)))


def combine(tensors: list[Tensor], copied: bool = True) -> Tensor | None:
    """Moves tensors into one block of memory, as torch_npu does on a device."""
    if not tensors:
        return None
    block = torch.cat([tensor.detach().flatten() for tensor in tensors])
    for tensor, part in zip(tensors, block.split([tensor.numel() for tensor in tensors])):
        tensor.data = part.view(tensor.shape)
    return block


def part_of(block: Tensor | None, index: int, size: int) -> Tensor | None:
    return None if block is None or size == 0 else block[index : index + size]


def train(kinds: tuple[bool, bool], **changes: Any) -> Tensor:
    """Weights after two runs of three updates with torch's optimiser, or (True) that of torch_npu."""
    config = make_config(
        Path("d"), device="cpu", ema=0.0, warmup=0.0, epochs=1, accumulate=2, **changes
    )
    torch.manual_seed(0)
    network = UNet("attunet", 2)
    batches = torch.randint(256, (12, 2, 16, 16, 3), dtype=torch.uint8)
    state: dict[str, Any] = {}
    for run, fused in enumerate(kinds):
        runtime = Runtime("cpu", level=config.level)
        runtime._vendor = torch_npu if fused else None
        replica = runtime.precision.lower(network)
        # With frozen statistics every weight has a gradient that is not noise.
        network.eval(), replica.eval()
        step = Stepper(network, replica, config, runtime, Ranks(runtime.device), 10)
        if state:
            step.load_state_dict(state)
        assert type(step._optimiser).__name__.startswith("NpuFused") == fused
        for batch in batches[6 * run : 6 * run + 6]:
            with runtime.precision.autocast():
                logits = replica(batch)
            step(logits.float().square().mean())
        state = copy.deepcopy(step.state_dict())
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def check_optimisers() -> None:
    """Theirs move the weights as torch's do, from the states of either, at every level."""
    torch_npu.get_npu_format = lambda tensor: 0
    npu_fused_optim_base.get_part_combined_tensor = part_of
    for module in (npu_fused_optim_base, npu_fused_adam, npu_fused_adamw):
        module.npu_combine_tensors = combine
    for level, optimiser in product(("O0", "O1", "O2"), ("adam", "adamw")):
        changes = {"opt_level": level, "optimiser": optimiser, "weight_decay": 0.1}
        expected = train((False, False), **changes)
        for kinds in ((True, True), (False, True), (True, False)):
            difference = (train(kinds, **changes) - expected).abs().max().item()
            assert difference < 1e-5, (changes, kinds, difference)
    say("fused optimisers", "move the weights as torch's do, and keep the gradients' memory")


def say(subject: str, found: str) -> None:
    print(f"{subject}: {found}")


check_names()
check_autocast()
check_groups()
check_optimisers()
