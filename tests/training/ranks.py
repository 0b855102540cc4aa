"""What two ranks must agree on, checked under torchrun: `torchrun --nproc-per-node 2 ranks.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from training.config import make_config
from training.data.batches import Split
from training.device import Runtime
from training.distributed import Ranks, SyncBatchNorm
from training.networks.unet import UNet
from training.optimise import Stepper
from training.validate import validate

CPU = torch.device("cpu")


def gather(tensor: Tensor) -> list[Tensor]:
    """A tensor as each rank has it."""
    tensors = [torch.empty_like(tensor) for _ in range(2)]
    distributed.all_gather(tensors, tensor.contiguous())
    return tensors


def make(ranks: Ranks, **changes: Any) -> tuple[nn.Module, nn.Module, Stepper]:
    config = make_config(Path(), device="cpu", ema=0.0, warmup=0.0, epochs=1, **changes)
    runtime = Runtime("cpu", level=config.level, half=config.amp_dtype)
    torch.manual_seed(0)
    network = runtime.place(UNet("attunet", 2))
    replica = ranks.replicate(runtime.precision.lower(network), config.compress_gradients)
    return network, replica, Stepper(network, replica, config, runtime, ranks, 10)


def flatten(network: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def check_votes_and_sums(ranks: Ranks) -> None:
    assert ranks.any(ranks.rank == 1) and not ranks.any(False)
    assert ranks.sum(np.array([ranks.rank, 5])).tolist() == [1, 10]


def check_weights_stay_equal(ranks: Ranks) -> None:
    """With images, and so gradients, of its own on each rank, at every level and compressed."""
    for changes in (
        {"opt_level": "O0"},
        {"opt_level": "O0", "compress_gradients": True},
        {"opt_level": "O2"},
        {"opt_level": "O2", "amp_dtype": "fp16", "accumulate": 2},
    ):
        network, replica, step = make(ranks, **changes)
        before = flatten(network)
        generator = torch.Generator().manual_seed(ranks.rank)
        for _ in range(2 * changes.get("accumulate", 1)):
            images = torch.randint(256, (2, 16, 16, 3), dtype=torch.uint8, generator=generator)
            step(replica(images).float().square().mean())
        first, second = gather(flatten(network))
        assert torch.equal(first, second) and not torch.equal(first, before), changes


def check_a_bad_loss_is_voted_on(ranks: Ranks) -> None:
    network, replica, step = make(ranks)
    images = torch.randint(256, (2, 16, 16, 3), dtype=torch.uint8)
    before = flatten(network)
    loss = replica(images).float().mean()
    step(loss * float("nan") if ranks.rank == 1 else loss)
    assert torch.equal(flatten(network), before)
    step(replica(images).float().mean())
    first, second = gather(flatten(network))
    assert torch.equal(first, second) and not torch.equal(first, before)


def check_validation(ranks: Ranks) -> None:
    """Scores of two ranks are those of one, on a number of images that two does not divide."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    split = Split(list("abcde"), images, images[..., 0] // 128)
    network, _, _ = make(ranks)
    for buffer in network.buffers():  # statistics of its own on each rank: the first's count
        buffer.add_(ranks.rank)
    config = make_config(Path(), device="cpu", batch_size=4)
    runtime = Runtime("cpu")
    together = validate(network, split, config, runtime, ranks, 0.5)
    alone = Ranks(CPU)
    alone.count, alone.rank = 1, 0
    assert together.sum(axis=1).tolist() == [256] * 5
    assert np.array_equal(together, validate(network, split, config, runtime, alone, 0.5))


def check_synchronised_norm(ranks: Ranks) -> None:
    """Halves of a batch on two ranks are normalised, and learnt from, as the whole on one."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(4, 3, 5, 5, generator=generator) * 3 + 20
    target = torch.randn(4, 3, 5, 5, generator=generator)
    plain = nn.BatchNorm2d(3)
    nn.init.uniform_(plain.weight, generator=generator)
    own = slice(2 * ranks.rank, 2 * ranks.rank + 2)
    norm = SyncBatchNorm(plain)
    results = []
    for layer, rows in ((plain, slice(None)), (norm, own)):
        x = whole[rows].clone().requires_grad_()
        y = layer(x)
        (y * target[rows]).sum().backward()
        assert x.grad is not None
        results.append((y.detach(), x.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected[own], rtol=1e-4, atol=1e-5)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer, msg=name)
    shares = torch.stack(gather(norm.weight.grad)).sum(0)
    torch.testing.assert_close(shares, plain.weight.grad, rtol=1e-4, atol=1e-4)


with Ranks(CPU) as group:
    assert group.count == 2
    check_votes_and_sums(group)
    check_synchronised_norm(group)
    check_weights_stay_equal(group)
    check_a_bad_loss_is_voted_on(group)
    check_validation(group)
