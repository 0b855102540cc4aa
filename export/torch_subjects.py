"""Networks in torch, as rows of the benchmark's table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from export.graph import Deployable, count_gflop
from export.source import open_source
from inference.benchmark.subjects import Subject
from training.networks.unet import UNet

LAYOUTS = {
    "torch eager": torch.contiguous_format,
    "torch channels_last": torch.channels_last,
}


def open_in_torch(checkpoint: Path, batch: int) -> list[Subject]:
    """A checkpoint's network as it was trained, once for each memory layout of torch."""
    subjects = []
    for name, layout in LAYOUTS.items():
        network, contract = open_source(checkpoint)
        deployed = Deployable(network).to(memory_format=layout)  # type: ignore[call-overload]
        compute = run_eagerly(deployed)
        megabytes, gflop = checkpoint.stat().st_size / 1e6, contract.provenance["gflop"]
        subject = Subject(checkpoint.name, name, batch, compute, contract.size, megabytes, gflop)
        subjects.append(subject)
    return subjects


def reference_subject(size: int, threads: int) -> Subject:
    """The public reference's AttU_Net (width 64, random weights) in torch eager, one image at a time."""
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
