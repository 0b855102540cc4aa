"""Scores the model that ships on images it was not trained on, beside published results.

python -m inference.reproduce ISIC2018_Task1-2_Training_Input ISIC2018_Task1_Training_GroundTruth
python -m inference.reproduce data/test data/test_GT data/frames/test data/frames/test_GT
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from inference.cli import FolderPairs, JsonFile, MaskLevelsOption, ProviderOption, Threads, run, say
from inference.errors import InputError
from inference.files import write_json
from inference.machine import choose_threads
from inference.models import SHIPPED, SHIPPED_INT8, SPLITS, read_test_split
from inference.runtime.segmenter import Segmenter
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs, find_pairs, pair_up
from inference.scoring.published import make_comparison


def reproduce(
    folders: FolderPairs,
    threads: Threads = 0,
    provider: ProviderOption = "cpu",
    json_file: JsonFile = None,
    mask_levels: MaskLevelsOption = None,
) -> None:
    """Score the shipped models, and print one table with published results, each with its protocol.

    Give the challenge's own folders or parts of them. Only images that were not used to train or choose
    the model are scored: the test rows of attunet_lite0.splits.csv. Scores are means over images, as in
    the ISIC 2018 challenge. The model card was measured on cpu, the default here.
    """
    threads = choose_threads(threads)
    test = read_test_split()
    ours: dict[str, dict[str, Any]] = {}
    for images, masks in pair_up(folders):
        pairs = keep_test_images(find_pairs(images, masks), test, images)
        ours[str(images)] = {}
        for path in (SHIPPED, SHIPPED_INT8):
            model = Segmenter(path, threads, provider)
            scores = score_model(model, pairs, threads, mask_levels)
            ours[str(images)][path.name] = {**scores, "of": len(test), "provider": model.provider}
    table, protocols = make_comparison(ours)
    Console(highlight=False).print(table)
    for number, protocol in enumerate(protocols, 1):
        say(f"  {number}  {protocol}")
    if json_file:
        write_json(json_file, ours, indent=2)


def keep_test_images(pairs: Pairs, names: set[str], folder: Path) -> Pairs:
    """The pairs whose names are in `names`, in any case.

    Raises:
        InputError: there are none.
    """
    kept = {name: pair for name, pair in pairs.items() if name.upper() in names}
    if not kept:
        raise InputError(
            f"{folder}: has none of the {len(names)} test images in {SPLITS.name}; give a folder of "
            "training images of ISIC 2018 Task 1"
        )
    return kept


if __name__ == "__main__":
    run(reproduce)
