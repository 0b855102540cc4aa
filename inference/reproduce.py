"""Scores the model that ships on images it never saw, beside what others published.

python -m inference.reproduce ISIC2018_Task1-2_Training_Input ISIC2018_Task1_Training_GroundTruth
python -m inference.reproduce data/test data/test_GT data/frames/test data/frames/test_GT
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from inference.command import InputError, run
from inference.evaluate import Pairs, find_pairs, pair_up, score_model
from inference.files import replacing
from inference.models import HELD_OUT, SHIPPED, SHIPPED_INT8
from inference.session import Provider, Segmenter, require_threads


class Published(NamedTuple):
    """A row of someone else's, with what was measured."""

    model: str
    accuracy: str
    dice: str
    jaccard: str
    protocol: str


PUBLISHED = (
    Published(
        "AttU_Net, LeeJunHyun/Image_Segmentation",
        "0.897", "", "0.566",
        "its README: 520 of the 2,594 images, a random split of its own; means over batches",
    ),
    Published(
        "AttU_Net, Ascend ModelZoo",
        "0.95", "", "",
        "its README: accuracy alone, of validation images during training",
    ),
    Published(
        "Attention U-Net, Dice loss; arXiv:1810.07842",
        "", "0.806", "",
        "published: a split of the 2,594 images of its own",
    ),
    Published(
        "the same, several inputs, focal Tversky loss",
        "", "0.856", "",
        "as above",
    ),
)  # fmt: skip


def reproduce(
    folders: Annotated[list[Path], tyro.conf.Positional],
    threads: int = 0,
    provider: Provider = "cpu",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print one table: published rows, and the files that ship, measured now; each with its protocol.

    Only images that the model was not trained or chosen on are scored: the test rows of
    attunet16.held-out.csv. The rules are those of the ISIC 2018 challenge: means over images.

    Args:
        folders: Images and their masks, as pairs of folders: the challenge's own, or a part of them.
        threads: Cores to use; 0 is all of them.
        provider: What computes: cpu, as for the model's card, openvino, cuda, tensorrt, cann, or auto.
        json_file: Where to write our scores, by folder and file.
    """
    require_threads(threads)
    if not folders:
        raise InputError("no folders given: name images and masks, as in data/test data/test_GT")
    threads = threads or os.cpu_count() or 1
    test = read_held_out("test")
    ours: dict[str, dict[str, Any]] = {}
    for images, masks in pair_up(folders):
        pairs = keep(find_pairs(images, masks), test, images)
        ours[str(images)] = {}
        for path in (SHIPPED, SHIPPED_INT8):
            model = Segmenter(path, threads, provider)
            scores = score_model(model, pairs, threads)
            ours[str(images)][path.name] = {**scores, "of": len(test), "provider": model.provider}
    Console().print(tabulate(ours))
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(ours, indent=2) + "\n")


def read_held_out(split: str) -> set[str]:
    """Names of the images of a split, valid or test, that the shipped model was not trained on."""
    with HELD_OUT.open(newline="", encoding="utf-8") as file:
        return {row["name"] for row in csv.DictReader(file) if row["split"] == split}


def keep(pairs: Pairs, names: set[str], folder: Path) -> Pairs:
    """The pairs of some names.

    Raises:
        InputError: there are none.
    """
    kept = {name: pair for name, pair in pairs.items() if name.upper() in names}
    if not kept:
        raise InputError(
            f"{folder}: holds none of the {len(names)} test images of {HELD_OUT.name}; give a folder of "
            "ISIC 2018 Task 1's training images"
        )
    return kept


def tabulate(ours: dict[str, dict[str, Any]]) -> Table:
    """Lays published rows and ours below each other."""
    table = Table(box=box.SIMPLE_HEAD, show_lines=False)
    for heading in ("model", "accuracy", "dice", "jaccard", "thresholded", "protocol"):
        words = heading in ("model", "protocol")
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for row in PUBLISHED:
        table.add_row(row.model, row.accuracy, row.dice, row.jaccard, "", row.protocol)
    table.add_section()
    for folder, files in ours.items():
        for name, scores in files.items():
            low, high = scores["intervals"]["dice"]
            table.add_row(
                name,
                *(f"{scores[key]:.4f}" for key in ("accuracy", "dice", "jaccard")),
                f"{scores['thresholded_jaccard']:.4f}",
                f"now: {scores['images']} of the {scores['of']} test images, in {folder}; means over "
                f"images; dice {low:.4f} to {high:.4f} with 95 % confidence; on {scores['provider']}",
            )
    return table


if __name__ == "__main__":
    run(reproduce)
