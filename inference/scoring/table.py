"""The table of scores that `inference.evaluate` prints."""

from __future__ import annotations

from typing import Any

from rich.markup import escape as escape_markup
from rich.table import Table

from inference.cli import escape
from inference.scoring.metrics import FAILURE, METRICS


def make_table(scores: dict[str, Any]) -> Table:
    """Formats what `summarise` returned, and the threshold that masks were cut at if there was one.

    Means over images with their 95 % intervals beside the pooled scores; groups and failures below.
    """
    cut = f", threshold {scores['threshold']:g}" if "threshold" in scores else ""
    table = Table(title=f"{scores['images']} images{cut}", caption_justify="left")
    for heading in ("score", "per image", "95 % interval", "pooled"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    for name in METRICS:
        low, high = scores["intervals"][name]
        pooled = scores["pooled"].get(name)
        table.add_row(
            name.replace("_", " "),
            f"{scores[name]:.4f}",
            f"{low:.4f} to {high:.4f}",
            "" if pooled is None else f"{pooled:.4f}",
        )
    groups = "; ".join(
        f"{name} {members['dice']:.3f} ({members['images']})"
        for name, members in scores["groups"].items()
    )
    worst = ", ".join(f"{entry['image']} {entry['jaccard']:.2f}" for entry in scores["worst"])
    failures = f"failures (jaccard below {FAILURE}): {scores['failure_rate']:.1%}; worst: {worst}"
    table.caption = escape_markup(
        escape(f"dice (images) by size of the lesion: {groups}\n{failures}")
    )
    return table


def make_doubt_table(doubt: dict[str, Any]) -> Table:
    """Formats what `assess_doubt` returned: how many failures are found when the worst are looked at."""
    table = Table(title="failures by expected jaccard", caption_justify="left")
    table.add_column("looked at, lowest first")
    table.add_column("failures found", justify="right")
    for share, found in doubt["found"].items():
        table.add_row(share, "-" if found is None else f"{found:.0%}")
    table.caption = describe_doubt(doubt)
    return table


def describe_doubt(doubt: dict[str, Any]) -> str:
    """The other figures that `assess_doubt` returned, on one line."""
    auroc = "-" if doubt["auroc"] is None else f"{doubt['auroc']:.3f}"
    return f"AUROC of failures {auroc}; calibration error {doubt['calibration_error']:.3f}"
