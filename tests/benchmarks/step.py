"""How fast a training step is, beside a plain loop in the manner of the reference.

    python -m tests.benchmarks.step
    python -m tests.benchmarks.step --width 32 --opt-level O1

Both train the same network on the same batch in the same precision. The plain loop has torch's defaults:
contiguous memory, the C library's allocator as it is, Adam, loss.item() and seven metrics a step.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Literal

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from inference.cli import run
from inference.files import replacing
from tests.benchmarks.data import describe_machine
from training.config import make_config
from training.device import Runtime
from training.distributed import Ranks
from training.journal import SilentJournal
from training.loss import LOSSES
from training.networks.unet import UNet
from training.optimise import Stepper
from training.synthesize import make_lesion

WARM_UP = 3
Contestant = Literal["plain", "ours"]


def bench_step(
    width: int = 16,
    size: int = 224,
    batch_size: int = 16,
    opt_level: Literal["O0", "O1"] = "O0",
    rounds: int = 20,
    contestant: Contestant | None = None,
    json_file: Path | None = None,
) -> None:
    """Measure training steps of a plain loop and of ours, in turns, each in a process of its own.

    Args:
        width: Channels of the network's first level.
        size: Side of the input in pixels.
        batch_size: Images a step.
        opt_level: Precision of both.
        rounds: Pairs of steps, after three that are not timed; the median of their ratios counts.
        contestant: Take a step of this one for each line of the standard input, and write its seconds.
        json_file: File to write the figures to.
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
    low, ratio, high = np.percentile(ratios, (25, 50, 75))
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"attunet, width {width}, {size} x {size}, batch {batch_size}, {opt_level}; {describe_machine()}"
    )
    console.print(f"plain loop {plain:7.2f} images/s\nours       {ours:7.2f} images/s")
    console.print(
        f"ratio {ratio:.2f}, median of {rounds} pairs of steps (half: {low:.2f} to {high:.2f})"
    )
    if json_file:
        figures = {"machine": describe_machine(), "plain": plain, "ours": ours, "ratios": ratios}
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")


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


def make_ours(width: int, opt_level: str, batch_size: int) -> Callable[[Tensor, Tensor], None]:
    """A step as training.train takes it."""
    config = make_config(
        Path(), "reference", device="cpu", width=width, opt_level=opt_level, batch_size=batch_size
    )
    runtime = Runtime(config.device, level=config.level)
    ranks = Ranks(runtime.device)
    network = runtime.place(UNet("attunet", width))
    stepper = Stepper(network, network, config, runtime, ranks, 100)
    journal = SilentJournal(ranks, 1, 100)

    def step(images: Tensor, masks: Tensor) -> None:
        with runtime.precision.autocast():
            logits = network(runtime.send(images))
        loss = LOSSES[config.loss](logits, runtime.send(masks))
        stepper(loss)
        journal.step(loss, len(images), stepper.lr)

    return step


def make_plain(width: int, opt_level: str, batch_size: int) -> Callable[[Tensor, Tensor], None]:
    """A step in the manner of the reference's solver.py."""
    network = UNet("attunet", width)
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
        truth = masks.float()
        with torch.autocast("cpu", torch.bfloat16, enabled=opt_level == "O1"):
            logits = network(images)
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
    run(bench_step)
