"""Scores the ways to deploy a checkpoint, to choose one on validation images.

python -m export.sweep best.pt data/valid data/valid_GT
python -m export.sweep best.pt data/valid data/valid_GT data/frames/valid data/frames/valid_GT
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from export.deployments import tabulate_deployments
from inference.cli import FolderPairs, MaskLevelsOption, Threads, run, say
from inference.machine import usable_cores
from inference.runtime.session import require_threads
from inference.scoring.pairs import find_pairs, pair_up


def sweep(
    checkpoint: Annotated[Path, Positional, arg(metavar="CHECKPOINT")],
    folders: FolderPairs,
    threads: Threads = 0,
    mask_levels: MaskLevelsOption = None,
) -> None:
    """Print a Markdown table of a checkpoint's scores at other sizes, thresholds and post-processing.

    Pass the best to export.to_onnx, which writes it into the model's contract. Choose on validation
    images: scores on test images are optimistic once you have used them to choose something.

    Args:
        checkpoint: best.pt or last.pt of a run.
    """
    require_threads(threads)
    pairs = {
        f"{images}/{name}": files
        for images, masks in pair_up(folders)
        for name, files in find_pairs(images, masks).items()
    }
    say(tabulate_deployments(checkpoint, pairs, threads or usable_cores(), mask_levels))


if __name__ == "__main__":
    run(sweep)
