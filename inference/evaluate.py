"""Scores a model, or a folder of masks made by anyone, as the official ISIC 2018 scorer does.

python -m inference.evaluate images/ masks/ --model model.onnx
python -m inference.evaluate images/ masks/ --predictions made/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from inference.cli import run
from inference.errors import InputError
from inference.files import replacing
from inference.machine import usable_cores
from inference.models import HELD_OUT, SHIPPED, read_held_out
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import Provider, require_threads
from inference.scoring.evaluation import score_model, score_predictions
from inference.scoring.pairs import Pairs, find_pairs, index_masks, require_same_names
from inference.scoring.summary import tabulate


def evaluate(
    images: Annotated[Path, tyro.conf.Positional],
    masks: Annotated[Path, tyro.conf.Positional],
    model: Path | None = None,
    predictions: Path | None = None,
    threads: int = 0,
    provider: Provider = "auto",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    ensemble: tuple[Path, ...] = (),
    tta: Annotated[bool, tyro.conf.arg(aliases=["--flips"])] = False,
) -> None:
    """Score a model, or a folder of predicted masks, against the true masks.

    Scores are means over images, as in the ISIC 2018 challenge, at each mask's own size, with 95 %
    bootstrap intervals. Beside them: the pooled scores (all pixels counted together), and those of small
    and large lesions, cut off by the frame or not.

    Args:
        images: Folder of the images.
        masks: Folder of the true masks, NAME_segmentation.png or NAME.png: one for each image.
        model: Model file to score, as `make export` writes it; the one that ships if left out.
        predictions: Folder of predicted masks to score instead, named as the true ones.
        threads: Cores to use; 0 is all of them.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann; auto is the fastest that is there.
        json_file: Where to write the scores.
        ensemble: More model files, whose probabilities are averaged with those of --model.
        tta: Test-time augmentation: average over the image and its flips; takes 4 times as long.
    """
    require_threads(threads)
    threads = threads or usable_cores()
    if model and predictions:
        raise InputError("give --model or --predictions, one of the two")
    pairs = find_pairs(images, masks)
    if predictions:
        made = index_masks(predictions)
        require_same_names(pairs, made, images, predictions)
        scores = score_predictions(pairs, made, threads)
    else:
        if model is None:
            warn_of_known(pairs)
        segmenter = Segmenter(model or SHIPPED, threads, provider, ensemble, tta)
        scores = score_model(segmenter, pairs, threads)
    Console().print(tabulate(scores))
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")


def warn_of_known(pairs: Pairs) -> None:
    """Says so where the model that ships may have been trained on an image that it is scored on."""
    held_out = read_held_out("test")
    known = [name for name in pairs if name.upper().startswith("ISIC_") and name not in held_out]
    if known:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"warning: {len(known)} of {len(pairs)} images, {known[0]} first, are not in the test split "
            f"of {HELD_OUT.name}: if they are of ISIC 2018 Task 1, {SHIPPED.name} was trained or chosen "
            "on them, and these scores flatter it; inference.reproduce leaves them out"
        )


if __name__ == "__main__":
    run(evaluate)
