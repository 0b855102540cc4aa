"""The table of scores that `inference.evaluate` prints."""

from __future__ import annotations

from typing import Any

from rich.markup import escape as escape_markup
from rich.table import Table

from inference.cli import escape
from inference.scoring.metrics import FAILURE, METRICS


def make_table(scores: dict[str, Any]) -> Table:
    """Formats what `summarise` returned.

    Means over images with their 95 % intervals beside the pooled scores; groups and failures below.
    """
    table = Table(title=f"{scores['images']} images", caption_justify="left")
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
    lines = [f"dice (images) by size of the lesion: {groups}", failures]
    if doubt := scores.get("doubt"):
        lines.append(describe_doubt(doubt))
    table.caption = escape_markup("\n".join(map(escape, lines)))
    return table


def describe_doubt(doubt: dict[str, Any]) -> str:
    """What `assess_doubt` returned, on one line."""
    found = ", ".join(
        f"{share} find {'-' if part is None else f'{part:.0%}'}"
        for share, part in doubt["found"].items()
    )
    auroc = "-" if doubt["auroc"] is None else f"{doubt['auroc']:.3f}"
    return (
        f"doubt: of the failures, the most doubtful {found}; AUROC {auroc}; calibration error "
        f"{doubt['calibration_error']:.3f}; {doubt['suspected']:.1%} said to show no lesion"
    )
