"""Scores the ways in which a checkpoint can be deployed, to choose one on validation images.

python -m export.sweep best.pt data/valid data/valid_GT
python -m export.sweep best.pt data/valid data/valid_GT data/frames/valid data/frames/valid_GT
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from export.to_onnx import Changes, export_model
from inference.cli import run
from inference.machine import usable_cores
from inference.markdown import tabulate
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import require_threads
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs, find_pairs, pair_up

SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard", "failure_rate")
WAYS: dict[str, tuple[Changes, bool]] = {  # what is exported, and whether images are flipped (tta)
    "as trained": (Changes(), False),
    "96 x 96": (Changes(size=96), False),
    "128 x 128": (Changes(size=128), False),
    "160 x 160": (Changes(size=160), False),
    "192 x 192": (Changes(size=192), False),
    "224 x 224": (Changes(size=224), False),
    "256 x 256": (Changes(size=256), False),
    "threshold 0.4": (Changes(threshold=0.4), False),
    "threshold 0.6": (Changes(threshold=0.6), False),
    "largest region": (Changes(largest_region=True), False),
    "largest region, holes filled": (Changes(largest_region=True, fill_holes=True), False),
    "mean of four mirrorings": (Changes(), True),
}


def variants(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    folders: Annotated[list[Path], tyro.conf.Positional],
    threads: int = 0,
) -> None:
    """Print a table, in Markdown: a checkpoint's scores at other sizes, thresholds and clean-ups.

    What is best is given to export.to_onnx, which writes it into the contract. Choose on validation
    images: scores on test images are no longer honest once something was chosen by them.

    Args:
        checkpoint: best.pt or last.pt of a run.
        folders: Images and their masks, as pairs of folders; all are scored together.
        threads: Cores to use; 0 is all of them.
    """
    require_threads(threads)
    pairs = {
        f"{images}/{name}": files
        for images, masks in pair_up(folders)
        for name, files in find_pairs(images, masks).items()
    }
    table = tabulate_sweep(checkpoint, pairs, threads or usable_cores())
    Console(highlight=False, soft_wrap=True).print(table, markup=False)


def tabulate_sweep(checkpoint: Path, pairs: Pairs, threads: int) -> str:
    """A Markdown table: a row for each way to deploy the checkpoint."""
    rows = []
    for name, (changes, tta) in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder, "model.onnx")
            export_model(checkpoint, model, changes=changes)
            scores = score_model(Segmenter(model, threads, "cpu", tta=tta), pairs, threads)
        rows.append([name, *(f"{scores[shown]:.4f}" for shown in SHOWN)])
    return tabulate([f"{len(pairs)} images", *(name.replace("_", " ") for name in SHOWN)], rows)


if __name__ == "__main__":
    run(variants)
