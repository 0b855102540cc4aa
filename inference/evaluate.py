"""Scores a model, or a folder of masks made by anything, as the official ISIC 2018 scorer does.

python -m inference.evaluate images/ masks/ --model model.onnx
python -m inference.evaluate images/ masks/ --predictions predicted/
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from inference.cli import (
    MODEL_HELP,
    SHIPS,
    EnsembleOption,
    ImageFolder,
    JsonFile,
    MaskFolder,
    MaskLevelsOption,
    ProviderOption,
    Threads,
    ThresholdOption,
    TtaOption,
    run,
    warn,
)
from inference.errors import InputError
from inference.files import write_json
from inference.machine import choose_threads
from inference.models import SHIPPED, SPLITS, read_splits
from inference.runtime.segmenter import Segmenter
from inference.scoring.evaluation import score_model, score_predictions
from inference.scoring.pairs import (
    Pairs,
    find_pairs,
    index_masks,
    require_photos,
    require_same_names,
)
from inference.scoring.table import make_doubt_table, make_table


def evaluate(
    images: ImageFolder,
    masks: MaskFolder,
    model: Annotated[
        Path | None, arg(metavar="MODEL", help=MODEL_HELP, help_behavior_hint=SHIPS)
    ] = None,
    predictions: Annotated[
        Path | None, arg(metavar="MASKS", help_behavior_hint="(optional)")
    ] = None,
    threads: Threads = 0,
    provider: ProviderOption = "auto",
    json_file: JsonFile = None,
    ensemble: EnsembleOption = (),
    tta: TtaOption = False,
    mask_levels: MaskLevelsOption = None,
    threshold: ThresholdOption = None,
) -> None:
    """Score a model, or a folder of predicted masks, against the true masks.

    Scores are means over images, as in the ISIC 2018 challenge, at each mask's own size, with 95 %
    bootstrap intervals. The table also has pooled scores (all pixels counted together), and dice by the
    size of the lesion and by whether the frame cuts it off. If the model estimates how far its outlines
    can be trusted, a second table shows how many failures you find by reviewing the least trusted ones.

    Args:
        predictions: Folder of predicted masks to score instead of a model, named like the true masks.
    """
    if model and predictions:
        raise InputError("--model and --predictions: only one of them can be scored; leave one out")
    if predictions and threshold is not None:
        raise InputError(f"--threshold {threshold}: does not apply to --predictions; leave it out")
    threads = choose_threads(threads)
    pairs = find_pairs(images, masks)
    if predictions:
        if predictions.resolve() == masks.resolve():
            raise InputError(
                f"--predictions {predictions}: is the folder of the true masks; give the folder of "
                "those to score"
            )
        predicted = index_masks(predictions, pairs)
        require_same_names(pairs, predicted, images, predictions)
        scores = score_predictions(pairs, predicted, threads, mask_levels)
    else:
        require_photos(pairs)
        if model is None:
            warn_of_training_images(pairs)
        segmenter = Segmenter(model or SHIPPED, threads, provider, ensemble, tta, threshold)
        scores = {
            "threshold": segmenter.contract.threshold,
            **score_model(segmenter, pairs, threads, mask_levels),
        }
    console = Console()
    console.print(make_table(scores))
    if doubt := scores.get("doubt"):
        console.print(make_doubt_table(doubt))
        console.print(f"reported as showing no lesion: {doubt['suspected']:.1%} of the images")
    if json_file:
        write_json(json_file, scores, indent=2)


def warn_of_training_images(pairs: Pairs) -> None:
    """Says so if the model that ships was trained or chosen on some of the images."""
    splits = read_splits()
    found = Counter(splits.get(name.upper(), "unknown") for name in pairs)
    seen = [name for name in pairs if splits.get(name.upper()) in ("train", "valid")]
    if seen:
        warn(
            f"warning: {SHIPPED.name} was trained on {found['train']} of the {len(pairs)} images and "
            f"chosen on {found['valid']} (the first is {seen[0]}), so these scores are too good; "
            f"{found['test']} are in its test split, {found['unknown']} are not in {SPLITS.name}; "
            "inference.reproduce scores only the test split"
        )


if __name__ == "__main__":
    run(evaluate)
