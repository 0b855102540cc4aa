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

from inference.command import InputError, run
from training.run_folder import CONFIG
from training.saver import FREE

METRICS = "metrics.csv"
SHOWN = ("dice", "jaccard", "thresholded_jaccard", "accuracy")


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
    first, *_ = configs = [read_run(run)[0] for run in runs]
    lines = ["run", "differs in", "epochs", *(name.replace("_", " ") for name in SHOWN)]
    rows = [lines, ["---", "---", *("---:" for _ in lines[2:])]]
    for path, config in zip(runs, configs):
        epochs = read_run(path)[1]
        best = max(epochs, key=lambda row: row["jaccard"])
        rows.append([
            path.name,
            describe_difference(first, config),
            str(len(epochs)),
            *(f"{best[name]:.4f}" for name in SHOWN),
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


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
    if not epochs:
        raise InputError(f"{run}: has no finished epoch; let it train on, or leave it out")
    return config, epochs


def describe_difference(first: dict[str, Any], config: dict[str, Any]) -> str:
    """The flags of a run that differ from the first's, as one would type them."""
    changed = (name for name in config if name not in FREE and config[name] != first.get(name))
    return " ".join(f"--{name.replace('_', '-')} {config[name]}" for name in changed)


if __name__ == "__main__":
    run(compare)
