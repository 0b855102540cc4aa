"""Training speed: one step of ours and of a plain loop like the reference's.

    python -m tests.benchmarks.step
    python -m tests.benchmarks.step --width 32 --opt-level O1

Both train the same network on the same batch in the same precision. The plain loop has torch's defaults:
contiguous memory, the C library's allocator as it is, Adam, loss.item() and seven metrics a step.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from inference.cli import run
from tests.benchmarks.report import JsonFile, describe_machine, report
from training.config import make_config
from training.device import Runtime
from training.distributed import Ranks
from training.loss import LOSSES
from training.networks.unet import UNet
from training.optimise import Stepper
from training.precision import DTYPES, compile_network
from training.records.journal import SilentJournal
from training.synthetic.lesion import make_lesion

WARM_UP = 3
Contestant = Literal["plain", "ours"]


def measure_steps(
    width: int = 16,
    size: int = 224,
    batch_size: int = 16,
    opt_level: Literal["O0", "O1"] = "O0",
    rounds: int = 20,
    contestant: Contestant | None = None,
    json_file: JsonFile = None,
) -> None:
    """Compare training steps of ours and of a plain loop, interleaved, each in its own process.

    Args:
        width: Channels of the network's first level.
        size: Side of the input in pixels.
        batch_size: Images per step.
        opt_level: Precision of both.
        rounds: Pairs of steps, after three that are not timed.
        contestant: Internal: take a step for each line on stdin, and print its seconds.
    """
    if contestant:
        take_steps(contestant, width, size, batch_size, opt_level)
        return
    shared = f"--width {width} --size {size} --batch-size {batch_size} --opt-level {opt_level}"
    command = [sys.executable, "-m", "tests.benchmarks.step", *shared.split(), "--contestant"]
    workers = [
        subprocess.Popen([*command, name], stdin=PIPE, stdout=PIPE, text=True)
        for name in ("plain", "ours")
    ]
    pairs = [[ask(worker) for worker in workers] for _ in range(WARM_UP + rounds)][WARM_UP:]
    for worker in workers:
        worker.communicate()
    plain, ours = (batch_size / statistics.median(seconds) for seconds in zip(*pairs))
    ratios = sorted(slow / fast for slow, fast in pairs)
    low, median, high = np.percentile(ratios, (25, 50, 75))
    network = f"attunet, width {width}, {size} x {size}, batch {batch_size}, {opt_level}"
    lines = [
        f"{network}; {describe_machine()}",
        f"plain loop {plain:7.2f} images/s",
        f"ours       {ours:7.2f} images/s",
        f"ratio {median:.2f}, median of {rounds} pairs of steps (quartiles {low:.2f} to {high:.2f})",
    ]
    report("\n".join(lines), {"plain": plain, "ours": ours, "ratios": ratios}, json_file)


def ask(worker: subprocess.Popen[str]) -> float:
    """Seconds of a contestant's next step; the other waits meanwhile."""
    assert worker.stdin and worker.stdout
    print(file=worker.stdin, flush=True)
    return float(worker.stdout.readline())


def take_steps(
    contestant: Contestant, width: int, size: int, batch_size: int, opt_level: str
) -> None:
    """Takes a step for each line that comes in, and writes its seconds."""
    pairs = [make_lesion(np.random.default_rng(i), size, size) for i in range(batch_size)]
    images = torch.from_numpy(np.stack([image for image, _ in pairs]))
    masks = torch.from_numpy(np.stack([mask // 255 for _, mask in pairs]))
    torch.manual_seed(0)
    step = (make_plain if contestant == "plain" else make_ours)(width, opt_level, batch_size)
    for _ in sys.stdin:
        began = time.perf_counter()
        step(images, masks)
        print(time.perf_counter() - began, flush=True)


def make_ours(
    width: int,
    opt_level: str,
    batch_size: int,
    device: str = "cpu",
    layout: torch.memory_format | None = None,
    **changes: Any,
) -> Callable[[Tensor, Tensor], None]:
    """A step as training.train takes it; in another memory layout if one is given."""
    config = make_config(
        Path(),
        "reference",
        device=device,
        width=width,
        opt_level=opt_level,
        batch_size=batch_size,
        **changes,
    )
    runtime = Runtime(config.device, level=config.level, half=config.amp_dtype)
    ranks = Ranks(runtime.device)
    network = runtime.place(UNet("attunet", width))
    if layout:
        network.to(memory_format=layout)  # type: ignore[call-overload]
    replica = runtime.precision.lower(network)
    stepper = Stepper(network, replica, config, runtime, ranks, 100)
    journal = SilentJournal(ranks, 1, 100)
    forward = compile_network(replica) if config.compile else replica

    def step(images: Tensor, masks: Tensor) -> None:
        with runtime.precision.autocast():
            logits = forward(runtime.send(images))
        loss = LOSSES[config.loss](logits, runtime.send(masks))
        stepper(loss)
        journal.step(loss, len(images), stepper.lr)

    return step


def make_plain(
    width: int, opt_level: str, batch_size: int, device: str = "cpu", half: str = "bf16"
) -> Callable[[Tensor, Tensor], None]:
    """A step like that of the reference's solver.py."""
    network = UNet("attunet", width).to(device)
    normalise = network.normalise
    # The reference's loader yields images channel by channel; without the copy the whole network would
    # follow the order of the bytes, which is that of channels_last.
    network.normalise = lambda images: normalise(images).contiguous()  # type: ignore[method-assign]
    optimiser = torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))
    criterion = nn.BCELoss()
    sums = torch.zeros(7)
    losses = 0.0

    def step(images: Tensor, masks: Tensor) -> None:
        nonlocal losses
        truth = masks.to(device).float()
        with torch.autocast(device, DTYPES[half], enabled=opt_level == "O1"):
            logits = network(images.to(device))
        probability = torch.sigmoid(logits.float())
        loss = criterion(probability.flatten(1), truth.flatten(1))
        losses += loss.item()
        network.zero_grad()
        loss.backward()
        optimiser.step()
        for number, metric in enumerate(METRICS):
            sums[number] += metric(probability > 0.5, truth > 0.5)

    return step


def ratio(part: Tensor, whole: Tensor) -> float:
    return float(part.sum()) / (float(whole.sum()) + 1e-6)


def accuracy(found: Tensor, truth: Tensor) -> float:
    return float((found == truth).sum()) / truth.numel()


def sensitivity(found: Tensor, truth: Tensor) -> float:
    return ratio(found & truth, (found & truth) | (~found & truth))


def specificity(found: Tensor, truth: Tensor) -> float:
    return ratio(~found & ~truth, (~found & ~truth) | (found & ~truth))


def precision(found: Tensor, truth: Tensor) -> float:
    return ratio(found & truth, (found & truth) | (found & ~truth))


def f1(found: Tensor, truth: Tensor) -> float:
    recalled, precise = sensitivity(found, truth), precision(found, truth)
    return 2 * recalled * precise / (recalled + precise + 1e-6)


def jaccard(found: Tensor, truth: Tensor) -> float:
    return ratio(found & truth, found | truth)


def dice(found: Tensor, truth: Tensor) -> float:
    return 2 * float((found & truth).sum()) / (float(found.sum()) + float(truth.sum()) + 1e-6)


# Each counts for itself, and reads its counts from the device, as the reference's do.
METRICS = [accuracy, sensitivity, specificity, precision, f1, jaccard, dice]


if __name__ == "__main__":
    run(measure_steps)
