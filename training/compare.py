"""Lays runs side by side: how each differs from the first, and its best epoch on the validation images.

python -m training.compare runs/first runs/second runs/third
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from inference.cli import run
from inference.errors import InputError
from inference.markdown import tabulate
from training.checkpointing import FREE
from training.config import to_flags
from training.run_folder import CONFIG

METRICS = "metrics.csv"
SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard")


def compare(runs: Annotated[list[Path], tyro.conf.Positional]) -> None:
    """Print a table, in Markdown, of runs of training.train.

    Args:
        runs: Folders of runs. The first is what the others are compared with.
    """
    Console(highlight=False, soft_wrap=True).print(tabulate_runs(runs), markup=False)


def tabulate_runs(runs: list[Path]) -> str:
    """A Markdown table: a row for each run.

    Raises:
        InputError: a folder is no run, or its first epoch is not done.
    """
    if not runs:
        raise InputError("no runs given: name the folders of one run or more")
    first = read_run(runs[0])[0]
    rows = []
    for path in runs:
        config, epochs = read_run(path)
        best = max(epochs, key=lambda row: row["jaccard"])
        rows.append([
            path.name,
            to_flags(shape(config), shape(first)),
            str(len(epochs)),
            *(f"{best[name]:.4f}" for name in SHOWN),
        ])  # fmt: skip
    headings = ["run", "differs in", "epochs", *(name.replace("_", " ") for name in SHOWN)]
    return tabulate(headings, rows, words=2)


def read_run(run: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """The configuration of a run, and its epochs' scores."""
    try:
        config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
        with (run / METRICS).open(newline="", encoding="utf-8") as file:
            epochs = [
                {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{run}: cannot be read as a run ({error}); give a folder that training.train wrote"
        ) from error
    if epochs and (lacking := {*SHOWN} - {*epochs[0]}):
        raise InputError(
            f"{run / METRICS}: lacks {', '.join(sorted(lacking))}; it is of another release"
        )
    if not epochs:
        raise InputError(f"{run}: has no finished epoch; let it train on, or leave it out")
    return config, epochs


def shape(config: dict[str, Any]) -> dict[str, Any]:
    """What shapes a run, of its configuration: its data too, which may move but not change."""
    return {name: value for name, value in config.items() if name not in FREE or name == "data"}


if __name__ == "__main__":
    run(compare)
