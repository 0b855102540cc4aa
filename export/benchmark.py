"""The table of inference.benchmark, with torch itself in its first rows.

python -m export.benchmark runs/first/best.pt --model model.onnx model-int8.onnx
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from export.graph import Deployable, count_gflop
from export.to_onnx import open_source
from inference.benchmark.comparison import require_counts
from inference.benchmark.report import report, run_benchmark
from inference.benchmark.subjects import Subject, open_subjects
from inference.cli import run
from inference.runtime.providers import Provider
from training.networks.unet import UNet


def benchmark(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    model: tuple[Path, ...] = (Path("model.onnx"),),
    provider: tuple[Provider, ...] = ("auto",),
    batch: tuple[int, ...] = (1,),
    images: Path | None = None,
    masks: Path | None = None,
    rounds: int = 20,
    threads: int = 0,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    csv_file: Annotated[Path | None, tyro.conf.arg(name="csv")] = None,
) -> int:
    """Measure torch (eager, and in channels_last), then model files x providers x batches.

    Args:
        checkpoint: What the model files were exported from.
        model: Model files.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann, auto.
        batch: Images computed at once.
        images: Folder of images to measure on, stage by stage too; noise if left out.
        masks: Folder of their true masks, for dice and jaccard.
        rounds: RunLengths of each row that count.
        threads: Cores to use; 0 is all of them.
        json_file: Where to write the rows as JSON.
        csv_file: Where to write the rows as CSV.
    """
    require_counts(rounds, threads)
    torch.set_num_threads(threads or torch.get_num_threads())
    in_torch = [subject for size in batch for subject in torch_subjects(checkpoint, size)]
    subjects, failed = open_subjects(model, provider, batch, threads)
    found = run_benchmark([*in_torch, *subjects], failed, images, masks, rounds, threads)
    return report(found, json_file, csv_file)


def torch_subjects(checkpoint: Path, batch: int) -> list[Subject]:
    """The network as it was trained, in the two layouts of memory that torch knows."""
    layouts = {
        "torch eager": torch.contiguous_format,
        "torch channels_last": torch.channels_last,
    }
    subjects = []
    for name, layout in layouts.items():
        network, contract = open_source(checkpoint, arch=None)
        deployed = Deployable(network).to(memory_format=layout)  # type: ignore[call-overload]
        compute = run_eagerly(deployed)
        megabytes, gflop = checkpoint.stat().st_size / 1e6, contract.provenance["gflop"]
        subject = Subject(checkpoint.name, name, batch, compute, contract.size, megabytes, gflop)
        subjects.append(subject)
    return subjects


def reference_subject(size: int, threads: int) -> Subject:
    """The public reference's AttU_Net (width 64, any weights) in torch, one image at a time."""
    torch.set_num_threads(threads)
    network = UNet("attunet").eval()
    megabytes = sum(weight.numel() for weight in network.parameters()) * 4 / 1e6
    gflop = count_gflop(network, size)
    compute = run_eagerly(Deployable(network))
    return Subject("reference, width 64", "torch eager", 1, compute, size, megabytes, gflop)


def run_eagerly(deployed: Deployable) -> Callable[[np.ndarray], np.ndarray]:
    """A deployed network as a function of arrays."""

    @torch.inference_mode()
    def compute(images: np.ndarray) -> np.ndarray:
        return deployed(torch.from_numpy(images)).numpy()

    return compute


if __name__ == "__main__":
    run(benchmark)
