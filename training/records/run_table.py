"""Training runs side by side: how each differs from the first, and its best epoch."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from inference.errors import InputError
from inference.markdown import tabulate
from training.config import to_flags
from training.records.resume import FREE
from training.records.run_folder import CONFIG, METRICS, read_metrics

REPEATS = {"fold", "seed"}  # settings in which repetitions of one experiment differ
SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard")


def tabulate_runs(runs: list[Path]) -> str:
    """A Markdown table of runs: what differs, and the validation scores of the best epoch.

    Runs that differ in nothing but --fold or --seed are summed up by mean and standard deviation.

    Raises:
        InputError: a folder is not a run, or has no finished epoch.
    """
    if not runs:
        raise InputError("no runs given: name the folder of at least one")
    first = settings_of(read_run(runs[0])[0])
    rows, scores, changed = list[list[str]](), list[list[float]](), set[str]()
    for path in runs:
        config, epochs = read_run(path)
        settings = settings_of(config)
        changed |= {name for name, value in settings.items() if value != first.get(name)}
        best = max(epochs, key=lambda row: row["jaccard"])
        scores.append([best[name] for name in SHOWN])
        differing = to_flags(settings, first)
        rows.append([path.name, differing, str(len(epochs)), *map("{:.4f}".format, scores[-1])])
    if len(runs) > 1 and changed <= REPEATS:
        for name, summarize in (("mean", mean), ("standard deviation", stdev)):
            figures = (f"{summarize(column):.4f}" for column in zip(*scores))
            rows.append([f"**{name}**", "", "", *figures])
    headings = ["run", "differs in", "epochs", *(name.replace("_", " ") for name in SHOWN)]
    return tabulate(headings, rows, words=2)


def read_run(run: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """The configuration of a run, and the scores of each epoch."""
    try:
        config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
        epochs = read_metrics(run / METRICS)
    except (OSError, ValueError, TypeError, KeyError) as error:
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
