"""What others published on the same task, better than ours too, and the table that has both."""

from __future__ import annotations

from typing import Any, NamedTuple

from rich import box
from rich.table import Table

SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard")
HEADINGS = ("", "model", "accuracy", "dice", "jaccard", "thresholded")


class Published(NamedTuple):
    """Scores that others published, as they gave them, and how they were measured."""

    model: str
    accuracy: str
    dice: str
    jaccard: str
    thresholded: str
    protocol: str


PUBLISHED = (
    Published(
        "AttU_Net, LeeJunHyun/Image_Segmentation",
        "0.897", "", "0.566", "",
        "its README: 520 of the 2,594 images, its own random split; means over batches",
    ),
    Published(
        "AttU_Net, Ascend ModelZoo",
        "0.95", "", "", "",
        "its README: accuracy only, on validation images during training",
    ),
    Published(
        "Attention U-Net, Dice loss; arXiv:1810.07842",
        "", "0.806", "", "",
        "published: its own split of the 2,594 images",
    ),
    Published(
        "the same, several inputs, focal Tversky loss",
        "", "0.856", "", "",
        "as above",
    ),
    Published(
        "first of the challenge; arXiv:1809.03917",
        "", "0.898", "0.838", "0.802",
        "the challenge's leaderboard: its 1,000 test images, whose masks are not public; an ensemble",
    ),
    Published(
        "DeepLabv3, ResNet-50",
        "", "0.878", "0.799", "0.732",
        "published: trained by others on the training images, scored on the official test images",
    ),
    Published(
        "the highest that we found",
        "", "0.915", "0.853", "",
        "published: splits of the 2,594 images of their own, which differ from ours and from each other",
    ),
)  # fmt: skip


def make_comparison(ours: dict[str, dict[str, dict[str, Any]]]) -> tuple[Table, list[str]]:
    """Published rows, then ours.

    Args:
        ours: folder -> model file -> scores of `summarise`, with `of`, the number of test images, and
            `provider`.

    Returns:
        The table, whose first column numbers the rows, and the protocol of each row.
    """
    table = Table(box=box.SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("", "model") else "right")
    protocols = []
    for row in PUBLISHED:
        protocols.append(row.protocol)
        table.add_row(
            str(len(protocols)), row.model, row.accuracy, row.dice, row.jaccard, row.thresholded
        )
    table.add_section()
    for folder, files in ours.items():
        for name, scores in files.items():
            protocols.append(describe_protocol(folder, scores))
            shown = [f"{scores[key]:.4f}" for key in SHOWN]
            table.add_row(str(len(protocols)), name, *shown)
    return table, protocols


def describe_protocol(folder: str, scores: dict[str, Any]) -> str:
    """How a row of ours was measured."""
    low, high = scores["intervals"]["dice"]
    return (
        f"measured now on {scores['provider']}: {scores['images']} of the {scores['of']} test images, in "
        f"{folder}; means over images; 95 % interval of dice {low:.4f} to {high:.4f}"
    )
