"""Scaling efficiency: training in one process and in several on this machine's CPU, one thread each.

    python -m tests.benchmarks.scaling
    python -m tests.benchmarks.scaling --ranks 2 --width 16 --size 160

Each run is `training.train` itself on synthetic images, as many for each rank; runs are interleaved.
Efficiency is the images/s of all ranks over that of one rank, times the number of ranks.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from inference.cli import run
from inference.images.write import write_image
from inference.masks.png import write_mask
from tests.benchmarks.report import JsonFile, describe_machine, report
from training.journal import read_metrics
from training.synthesize import make_lesion


def measure_scaling(
    ranks: int = 2,
    width: int = 16,
    size: int = 128,
    batch_size: int = 8,
    steps: int = 12,
    rounds: int = 5,
    json_file: JsonFile = None,
) -> None:
    """Measure the scaling efficiency of training on the CPU.

    Args:
        ranks: Processes to compare with one; no more than there are cores.
        width: Channels of the network's first level.
        size: Side of the input in pixels.
        batch_size: Images per step and rank.
        steps: Steps per run; all but the first five are timed.
        rounds: Pairs of runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        flags = f"--device cpu --epochs 1 --workers 1 --width {width} --size {size}".split()
        # As many images for each rank, so that all runs take as many steps.
        data = {
            count: make_data(Path(folder) / str(count), count * batch_size * steps, size)
            for count in (1, ranks)
        }
        pairs = []
        for _ in range(rounds):
            speeds = []
            for count in (1, ranks):
                folders = ["--data", str(data[count]), "--out", f"{folder}/run"]
                measured = time_run([*flags, *folders], count, batch_size, Path(folder) / "run")
                speeds.append(measured)
            pairs.append(speeds)
    efficiencies = sorted(several / (ranks * one) for one, several in pairs)
    one, several = (statistics.median(speeds) for speeds in zip(*pairs))
    lines = [
        f"attunet, width {width}, {size} x {size}, {batch_size} images per rank; {describe_machine()}",
        f"1 rank   {one:7.2f} images/s",
        f"{ranks} ranks  {several:7.2f} images/s",
        f"efficiency {statistics.median(efficiencies):.3f}, median of {rounds} pairs "
        f"({efficiencies[0]:.3f} to {efficiencies[-1]:.3f})",
    ]
    figures = {"one": one, "several": several, "efficiencies": efficiencies}
    report("\n".join(lines), figures, json_file)


def make_data(data: Path, images: int, size: int) -> Path:
    """Writes a data set of synthetic images, laid out as training.prepare does."""
    for split, count in (("train", images), ("valid", 1)):
        for number in range(count):
            image, mask = make_lesion(np.random.default_rng(number % 16), size, size)
            write_image(data / split / f"{number}.png", image)
            write_mask(data / f"{split}_GT" / f"{number}_segmentation.png", mask > 0)
    return data


def time_run(flags: list[str], ranks: int, batch_size: int, run_folder: Path) -> float:
    """Images/s of a run."""
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
    run(measure_scaling)
