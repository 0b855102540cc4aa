"""Speed of training and inference on this machine's device, as one Markdown table to paste.

    python -m tests.devices.report
    python -m tests.devices.report --device cpu --width 4 --size 32 --batch-size 2 --rounds 2

The reference-style loop and ours, at every level, with and without torch.compile and channels_last, at
one batch size and at the largest that fits. "of peak" compares the multiplications of the convolutions,
three times those of a forward pass, with what the device reaches in a large matrix product of the same
precision.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from export.graph import count_gflop
from inference.cli import run, say, warn
from inference.errors import InputError
from inference.markdown import tabulate
from inference.models import SHIPPED
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import installed_providers
from tests.benchmarks.report import describe_machine
from tests.benchmarks.step import make_ours, make_plain
from training.device import Device, Runtime
from training.networks.unet import UNet
from training.precision import DTYPES

WARM_UP, STEPS = 5, 5  # steps before the first round, and in each
HEADINGS = ("what", "level", "precision", "layout", "batch", "images/s", "of peak", "MB")
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Row(NamedTuple):
    """How one row of the table trains."""

    what: str
    level: str
    half: str
    layout: str
    compiled: bool = False

    def make(self, kind: str, width: int, batch: int) -> Callable[[Tensor, Tensor], None]:
        """A step of it."""
        if self.what == "reference-style":
            return make_plain(width, self.level, batch, kind, self.half or "fp16")
        changes = {"amp_dtype": self.half or "auto", "compile": self.compiled}
        return make_ours(width, self.level, batch, kind, layout=LAYOUTS[self.layout], **changes)


def list_rows(compiled: bool, layouts: tuple[str, ...]) -> Iterator[Row]:
    """The rows; without those of torch.compile if not `compiled`."""
    for level, half in (("O0", ""), ("O1", "fp16"), ("O1", "bf16")):
        yield Row("reference-style", level, half, "contiguous")
    levels = [("O0", ""), *itertools.product(("O1", "O2"), DTYPES)]
    for (level, half), layout in itertools.product(levels, layouts):
        yield Row("ours", level, half, layout)
        if compiled:
            yield Row("ours, compiled", level, half, layout, True)


def report_device(
    device: Device = "auto",
    width: int = 64,
    size: int = 224,
    batch_size: int = 16,
    rounds: int = 10,
    compile: bool = True,
) -> None:
    """Measure training and inference on a device, and print one Markdown table.

    Args:
        device: What trains.
        width: Channels of the network's first level; the published network has 64.
        size: Side of the input in pixels.
        batch_size: Images per step, beside the largest batch that fits.
        rounds: Timed rounds of five steps; the median is shown.
        compile: Also measure with torch.compile, which takes minutes.
    """
    if min(width, size, batch_size, rounds) < 1:
        raise InputError(
            "--width, --size, --batch-size and --rounds: must be at least 1; leave them out"
        )
    runtime = Runtime(device)
    kind = runtime.device.type
    gflop = 3 * count_gflop(UNet("attunet", width).eval(), size)
    peaks = {half: measure_peak(runtime.device, half) for half in ("", *DTYPES)}
    rows = []
    # NPUs refuse channels_last.
    for row in list_rows(compile, ("contiguous",) if kind == "npu" else tuple(LAYOUTS)):
        for batch, speed, megabytes in measure_row(row, kind, width, size, batch_size, rounds):
            share = f"{gflop * speed / peaks[row.half]:.2f}"
            figures = (batch, f"{speed:.1f}", share, megabytes)
            rows.append((row.what, row.level, row.half or "fp32", row.layout, *figures))
            warn(" ".join(map(str, rows[-1])))
    for provider, batch, speed in measure_inference(batch_size, rounds):
        rows.append((f"inference, {provider}", "", "", "", batch, f"{speed:.1f}", "", ""))
    name = runtime.describe().get("name", describe_machine())
    say(f"attunet, width {width}, {size} x {size}; {name}; torch {torch.__version__}\n")
    say(tabulate(HEADINGS, rows, words=4))


def measure_row(
    row: Row, kind: str, width: int, size: int, batch: int, rounds: int
) -> Iterator[tuple[int, float, int | str]]:
    """Yields batch size, images/s and megabytes: at `batch`, then at the largest that fits.

    Nothing for what does not run; the CPU has one batch size, since its memory is the machine's.
    """
    found = time_steps(row, kind, width, size, batch, WARM_UP, rounds)
    if not found:
        return
    yield batch, found[0], found[1] or ""
    largest = batch
    while kind != "cpu" and time_steps(row, kind, width, size, 2 * largest, 2, 0):
        largest *= 2
    if largest > batch and (found := time_steps(row, kind, width, size, largest, WARM_UP, rounds)):
        yield largest, found[0], found[1]


def time_steps(
    row: Row, kind: str, width: int, size: int, batch: int, warm_up: int, rounds: int
) -> tuple[float, int] | None:
    """Images/s, the median of the rounds, and peak memory in MB; None if it does not run."""
    images = torch.randint(256, (batch, size, size, 3), dtype=torch.uint8)
    masks = torch.randint(2, (batch, size, size), dtype=torch.uint8)
    rates = []
    peak_memory(kind)  # of an attempt before, which may have failed
    try:
        step = row.make(kind, width, batch)
        for _ in range(warm_up):
            step(images, masks)
        for _ in range(rounds):
            synchronise(kind)
            began = time.perf_counter()
            for _ in range(STEPS):
                step(images, masks)
            synchronise(kind)
            rates.append(batch * STEPS / (time.perf_counter() - began))
        synchronise(kind)
    except torch.OutOfMemoryError:
        return None
    except (RuntimeError, InputError) as error:  # not to be had on the device
        warn(f"{row.what} {row.level} {row.half}, batch {batch}: {str(error).splitlines()[0]}")
        return None
    return statistics.median(rates or [0.0]), peak_memory(kind)


def synchronise(kind: str) -> None:
    """Waits for the device."""
    if kind != "cpu":
        torch.accelerator.synchronize()


def peak_memory(kind: str) -> int:
    """The most memory in MB that was taken since the last call, which is freed; 0 on the CPU."""
    if kind == "cpu":
        return 0
    device = torch.get_device_module(kind)
    megabytes = device.max_memory_allocated() // 2**20
    device.empty_cache()
    device.reset_peak_memory_stats()
    return int(megabytes)


def measure_peak(device: torch.device, half: str) -> float:
    """GFLOP/s of a large matrix product; in float32 with TF32 if convolutions compute with it."""
    side = 512 if device.type == "cpu" else 8192
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    factor = torch.randn(side, side, device=device).to(DTYPES.get(half, torch.float32))
    rates = []
    for _ in range(5):
        synchronise(device.type)
        began = time.perf_counter()
        for _ in range(5):
            product = factor @ factor
        synchronise(device.type)
        rates.append(5 * 2 * side**3 / (time.perf_counter() - began) / 1e9)
        del product
    return max(rates)


def measure_inference(batch: int, rounds: int) -> Iterator[tuple[str, int, float]]:
    """Yields provider, batch size and images/s of the shipped model, for each that is installed."""
    for provider in installed_providers():
        try:
            segmenter = Segmenter(Path(SHIPPED), provider=provider)
        except InputError as error:
            warn(f"inference, {provider}: {error}")
            continue
        side = segmenter.contract.size
        images = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
        segmenter(images)
        rates = []
        for _ in range(rounds):
            began = time.perf_counter()
            segmenter(images)
            rates.append(batch / (time.perf_counter() - began))
        yield provider, batch, statistics.median(rates)


if __name__ == "__main__":
    run(report_device)
