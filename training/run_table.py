"""Training runs side by side: how each differs from the first, and its best epoch."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from inference.errors import InputError
from inference.markdown import tabulate
from training.checkpointing import FREE
from training.config import to_flags
from training.run_folder import CONFIG

METRICS = "metrics.csv"
SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard")


def tabulate_runs(runs: list[Path]) -> str:
    """A Markdown table of runs: what differs, and the validation scores of the best epoch.

    Raises:
        InputError: a folder is not a run, or has no finished epoch.
    """
    if not runs:
        raise InputError("no runs given: name the folder of at least one")
    first = read_run(runs[0])[0]
    rows = []
    for path in runs:
        config, epochs = read_run(path)
        best = max(epochs, key=lambda row: row["jaccard"])
        rows.append([
            path.name,
            to_flags(settings_of(config), settings_of(first)),
            str(len(epochs)),
            *(f"{best[name]:.4f}" for name in SHOWN),
        ])  # fmt: skip
    headings = ["run", "differs in", "epochs", *(name.replace("_", " ") for name in SHOWN)]
    return tabulate(headings, rows, words=2)


def read_run(run: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """The configuration of a run, and the scores of each epoch."""
    try:
        config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
        with (run / METRICS).open(newline="", encoding="utf-8") as file:
            epochs = [
                {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{run}: not a run that can be read ({error}); give a folder that training.train wrote"
        ) from error
    if epochs and (lacking := {*SHOWN} - {*epochs[0]}):
        raise InputError(
            f"{run / METRICS}: lacks {', '.join(sorted(lacking))}; it was written by another release"
        )
    if not epochs:
        raise InputError(f"{run}: has no finished epoch; let it train, or leave it out")
    return config, epochs


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that affect a run's result; its data too, which may move but not change."""
    return {name: value for name, value in config.items() if name not in FREE or name == "data"}
