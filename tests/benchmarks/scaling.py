"""How training scales from one process to several on this machine's CPU, a thread each.

    python -m tests.benchmarks.scaling
    python -m tests.benchmarks.scaling --ranks 2 --width 16 --size 160

Each run is `training.train` itself on made-up images, with equally many images a rank; runs take turns.
Efficiency is images/s of all ranks over ranks times images/s of one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console

from inference.cli import run
from inference.files import replacing
from inference.images.write import write_image
from inference.masks.png import write_mask
from tests.benchmarks.data import describe_machine
from training.run_folder import read_metrics
from training.synthesize import make_lesion


def bench_scaling(
    ranks: int = 2,
    width: int = 16,
    size: int = 128,
    batch_size: int = 8,
    steps: int = 12,
    rounds: int = 5,
    json_file: Path | None = None,
) -> None:
    """Measure the scaling efficiency of training on the CPU.

    Args:
        ranks: Processes to compare with one; at most one a core makes sense.
        width: Channels of the network's first level.
        size: Side of the input in pixels.
        batch_size: Images a step on each rank.
        steps: A run; all but the first five are timed.
        rounds: Pairs of runs; the median of their ratios counts.
        json_file: File to write the figures to.
    """
    with tempfile.TemporaryDirectory() as folder:
        flags = f"--device cpu --epochs 1 --workers 1 --width {width} --size {size}".split()
        # As many images a rank, so that all runs take as many steps.
        data = {
            count: make_data(Path(folder) / str(count), count * batch_size * steps, size)
            for count in (1, ranks)
        }
        pairs = []
        for _ in range(rounds):
            speeds = []
            for count in (1, ranks):
                folders = ["--data", str(data[count]), "--out", f"{folder}/run"]
                measured = measure([*flags, *folders], count, batch_size, Path(folder) / "run")
                speeds.append(measured)
            pairs.append(speeds)
    efficiencies = sorted(several / (ranks * one) for one, several in pairs)
    one, several = (statistics.median(speeds) for speeds in zip(*pairs))
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"attunet, width {width}, {size} x {size}, {batch_size} images a rank; {describe_machine()}"
    )
    console.print(f"1 rank   {one:7.2f} images/s\n{ranks} ranks  {several:7.2f} images/s")
    console.print(
        f"efficiency {statistics.median(efficiencies):.3f}, median of {rounds} pairs "
        f"({efficiencies[0]:.3f} to {efficiencies[-1]:.3f})"
    )
    if json_file:
        figures = {"machine": describe_machine(), "one": one, "several": several}
        with replacing(json_file) as temporary:
            temporary.write_text(
                json.dumps({**figures, "efficiencies": efficiencies}, indent=2) + "\n"
            )


def make_data(data: Path, images: int, size: int) -> Path:
    """Writes a data set as training.prepare does, of made-up images."""
    for split, count in (("train", images), ("valid", 1)):
        for number in range(count):
            image, mask = make_lesion(np.random.default_rng(number % 16), size, size)
            write_image(data / split / f"{number}.png", image)
            write_mask(data / f"{split}_GT" / f"{number}_segmentation.png", mask > 0)
    return data


def measure(flags: list[str], ranks: int, batch_size: int, run_folder: Path) -> float:
    """Images a second of a run."""
    devices = ",".join(map(str, range(ranks)))
    command = [sys.executable, "-m", "training.train", *flags, "--batch-size"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, str(batch_size * ranks), "--device-list", devices],
        check=True,
        capture_output=True,
        env=environment,
    )
    return read_metrics(run_folder / "metrics.csv")[-1]["images_per_second"]


if __name__ == "__main__":
    run(bench_scaling)
