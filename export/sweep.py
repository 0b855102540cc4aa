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
from inference.runtime.session import require_threads
from inference.runtime.tta import Looks
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs, find_pairs, pair_up

SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard", "failure_rate")
WAYS: dict[str, tuple[Changes, Looks]] = {
    "as trained": (Changes(), Looks()),
    "96 x 96": (Changes(size=96), Looks()),
    "128 x 128": (Changes(size=128), Looks()),
    "160 x 160": (Changes(size=160), Looks()),
    "192 x 192": (Changes(size=192), Looks()),
    "224 x 224": (Changes(size=224), Looks()),
    "256 x 256": (Changes(size=256), Looks()),
    "threshold 0.4": (Changes(threshold=0.4), Looks()),
    "threshold 0.6": (Changes(threshold=0.6), Looks()),
    "largest region": (Changes(largest_region=True), Looks()),
    "largest region, holes filled": (Changes(largest_region=True, fill_holes=True), Looks()),
    "mean of four mirrorings": (Changes(), Looks(flips=True)),
    "mean with nine windows": (Changes(), Looks(windows=True)),
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
    for name, (changes, looks) in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder, "model.onnx")
            export_model(checkpoint, model, changes=changes)
            scores = score_model(looks.open(model, threads, "cpu"), pairs, threads)
        rows.append([name, *(f"{scores[shown]:.4f}" for shown in SHOWN)])
    return tabulate([f"{len(pairs)} images", *(name.replace("_", " ") for name in SHOWN)], rows)


if __name__ == "__main__":
    run(variants)
