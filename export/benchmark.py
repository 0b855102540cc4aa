"""The table of inference.benchmark, with torch itself in its first rows.

python -m export.benchmark runs/first/best.pt --model model.onnx model-int8.onnx
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from tyro.conf import Positional, arg

from export.torch_subjects import open_in_torch
from inference.benchmark.comparison import require_counts
from inference.benchmark.report import report, run_benchmark
from inference.benchmark.subjects import open_subjects
from inference.cli import (
    CsvFile,
    ImagesOption,
    JsonFile,
    MasksOption,
    ProvidersOption,
    Threads,
    run,
)


def benchmark(
    checkpoint: Annotated[Path, Positional, arg(metavar="CHECKPOINT")],
    model: Annotated[tuple[Path, ...], arg(metavar="MODEL [MODEL ...]")] = (Path("model.onnx"),),
    provider: ProvidersOption = ("auto",),
    batch: Annotated[tuple[int, ...], arg(metavar="N [N ...]")] = (1,),
    images: ImagesOption = None,
    masks: MasksOption = None,
    rounds: Annotated[int, arg(metavar="N")] = 20,
    threads: Threads = 0,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> int:
    """Compare torch (eager, and channels_last) with model files x providers x batch sizes, in one table.

    With --images, real images are used and each stage is timed too, otherwise noise; --masks adds dice
    and jaccard. Exit code: 1 if a row failed.

    Args:
        checkpoint: Checkpoint that the model files were exported from.
        model: Model files.
        batch: Batch sizes.
        rounds: Timed runs of each row.
    """
    require_counts(rounds, threads)
    torch.set_num_threads(threads or torch.get_num_threads())
    in_torch = [subject for size in batch for subject in open_in_torch(checkpoint, size)]
    opened, failed = open_subjects(model, provider, batch, threads)
    found = run_benchmark([*in_torch, *opened], failed, images, masks, rounds, threads)
    return report(found, json_file, csv_file)


if __name__ == "__main__":
    run(benchmark)
