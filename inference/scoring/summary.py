"""What is reported of many scored images: means, intervals, pooled scores, kinds of lesion, the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from inference.scoring.metrics import FAILURE, METRICS, average, bootstrap, count, score

WORST = 10
SMALL, LARGE = 0.05, 0.25  # shares of the frame: a lesion between them is of medium size


@dataclass(frozen=True)
class Compared:
    """A predicted mask beside the true one.

    Attributes:
        counts: (4,) int64 as `metrics.count` returns them.
        cut_off: whether the true lesion touches the border of the frame.
    """

    counts: np.ndarray
    cut_off: bool


def compare(truth: np.ndarray, predicted: np.ndarray) -> Compared:
    """Compares two masks, (H, W) bool."""
    borders = truth[0], truth[-1], truth[:, 0], truth[:, -1]
    return Compared(count(truth, predicted), any(border.any() for border in borders))


def summarise(names: Sequence[str], images: Sequence[Compared]) -> dict[str, Any]:
    """Turns the counts of every image into all that is reported.

    Args:
        names: name of each image.
        images: each image's masks, compared.
    """
    counts = np.array([image.counts for image in images])
    jaccard = score(counts)["jaccard"]
    order = np.argsort(jaccard, kind="stable")[:WORST]
    pooled = score(counts.sum(axis=0))
    pooled.pop("thresholded_jaccard")  # a rule for single images
    return {
        **describe(counts),
        "intervals": bootstrap(counts),
        "pooled": {name: float(value) for name, value in pooled.items()},
        "groups": {
            name: describe(counts[members])
            for name, members in group(counts, [image.cut_off for image in images]).items()
            if members.any()
        },
        "worst": [{"image": names[i], "jaccard": float(jaccard[i])} for i in order],
    }


def describe(counts: np.ndarray) -> dict[str, Any]:
    """Means over (images, 4) counts, and how many failed."""
    failures = score(counts)["jaccard"] < FAILURE
    return {"images": len(counts), **average(counts), "failure_rate": float(failures.mean())}


def group(counts: np.ndarray, cut_off: Sequence[bool]) -> dict[str, np.ndarray]:
    """Divides images by their true masks: (images,) bool by name of the group."""
    true_positives, _, false_negatives, _ = counts.T
    share = (true_positives + false_negatives) / counts.sum(axis=1)
    return {
        f"below {SMALL:.0%} of the frame": share < SMALL,
        f"{SMALL:.0%} to {LARGE:.0%}": (share >= SMALL) & (share < LARGE),
        f"{LARGE:.0%} and above": share >= LARGE,
        "cut off by the frame": np.array(cut_off, bool),
        "whole in the frame": ~np.array(cut_off, bool),
    }


def tabulate(scores: dict[str, Any]) -> Table:
    """Lays the scores out for people."""
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
    table.caption = escape(f"dice (images) by size of the lesion: {groups}\n{failures}")
    return table
