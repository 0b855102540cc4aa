"""Scores the model that ships on images it never saw, beside what others published.

python -m inference.reproduce ISIC2018_Task1-2_Training_Input ISIC2018_Task1_Training_GroundTruth
python -m inference.reproduce data/test data/test_GT data/frames/test data/frames/test_GT
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from inference.cli import run
from inference.errors import InputError
from inference.files import replacing
from inference.machine import usable_cores
from inference.models import HELD_OUT, SHIPPED, SHIPPED_INT8, read_held_out
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import Provider, require_threads
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs, find_pairs, pair_up


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
    attunet_lite0.held-out.csv. The rules are those of the ISIC 2018 challenge: means over images.

    Args:
        folders: Images and their masks, as pairs of folders: the challenge's own, or a part of them.
        threads: Cores to use; 0 is all of them.
        provider: What computes: cpu, as for the model's card, openvino, cuda, tensorrt, cann, or auto.
        json_file: Where to write our scores, by folder and file.
    """
    require_threads(threads)
    if not folders:
        raise InputError("no folders given: name images and masks, as in data/test data/test_GT")
    threads = threads or usable_cores()
    test = read_held_out("test")
    ours: dict[str, dict[str, Any]] = {}
    for images, masks in pair_up(folders):
        pairs = keep(find_pairs(images, masks), test, images)
        ours[str(images)] = {}
        for path in (SHIPPED, SHIPPED_INT8):
            model = Segmenter(path, threads, provider)
            scores = score_model(model, pairs, threads)
            ours[str(images)][path.name] = {**scores, "of": len(test), "provider": model.provider}
    show(ours)
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(ours, indent=2) + "\n")


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


def show(ours: dict[str, dict[str, Any]]) -> None:
    """Prints published rows and ours below each other, and how each was measured."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "model", "accuracy", "dice", "jaccard", "thresholded"):
        table.add_column(heading, justify="left" if heading in ("", "model") else "right")
    protocols = []
    for row in PUBLISHED:
        protocols.append(row.protocol)
        mark = str(len(protocols))
        table.add_row(mark, row.model, row.accuracy, row.dice, row.jaccard, "")
    table.add_section()
    for folder, files in ours.items():
        for name, scores in files.items():
            low, high = scores["intervals"]["dice"]
            protocols.append(
                f"measured now on {scores['provider']}: {scores['images']} of the {scores['of']} test "
                f"images, in {folder}; means over images; dice {low:.4f} to {high:.4f} with 95 % "
                "confidence"
            )
            shown = (scores[key] for key in ("accuracy", "dice", "jaccard", "thresholded_jaccard"))
            table.add_row(str(len(protocols)), name, *(f"{score:.4f}" for score in shown))
    console = Console(highlight=False)
    console.print(table)
    for number, protocol in enumerate(protocols, 1):
        console.print(f"  {number}  {protocol}", markup=False)


if __name__ == "__main__":
    run(reproduce)
