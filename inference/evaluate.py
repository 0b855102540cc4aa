"""Scores a model, or a folder of masks made by anyone, as the official ISIC 2018 scorer does.

python -m inference.evaluate images/ masks/ --model model.onnx
python -m inference.evaluate images/ masks/ --predictions made/
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inference.command import InputError, run, track
from inference.ensemble import Looks
from inference.files import index_images, index_masks, replacing
from inference.masks import make_mask
from inference.metrics import FAILURE, METRICS, average, bootstrap, count, score
from inference.pixels import Source, read_mask
from inference.session import Provider, require_threads
from inference.stream import Model, Segmented, map_ahead, segment_images

WORST = 10


def evaluate(
    images: Annotated[Path, tyro.conf.Positional],
    masks: Annotated[Path, tyro.conf.Positional],
    model: Path | None = None,
    predictions: Path | None = None,
    threads: int = 0,
    provider: Provider = "auto",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    looks: Annotated[Looks, tyro.conf.OmitArgPrefixes] = Looks(),  # noqa: B008  # frozen
) -> None:
    """Score a model, or a folder of predicted masks, against the true masks.

    Scores are means over images, as in the ISIC 2018 challenge, at each mask's own size, with 95 %
    bootstrap intervals; the pooled scores (all pixels counted together) stand beside them.

    Args:
        images: Folder of the images.
        masks: Folder of the true masks, NAME_segmentation.png or NAME.png: one for each image.
        model: Model file to score, as `make export` writes it.
        predictions: Folder of predicted masks to score instead, named as the true ones.
        threads: Cores to use; 0 is all of them.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann; auto is the fastest that is there.
        json_file: Where to write the scores.
        looks: How often an image is looked at.
    """
    require_threads(threads)
    threads = threads or os.cpu_count() or 1
    names = index_images(images)
    truths = index_masks(masks)
    require_same_names(names, truths, images, masks)
    if model and not predictions:
        counts = count_model(looks.open(model, threads, provider), names, truths, threads)
    elif predictions and not model:
        made = index_masks(predictions)
        require_same_names(names, made, images, predictions)
        counts = count_predictions(names, truths, made, threads)
    else:
        raise InputError("give --model or --predictions, one of the two")
    scores = summarise(list(names), np.array(list(track(counts, "scoring", len(names)))))
    Console().print(tabulate(scores))
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")


def require_same_names(
    images: Iterable[str], masks: Iterable[str], image_folder: Path, mask_folder: Path
) -> None:
    """Raises InputError unless every image has a mask and every mask an image."""
    for has, lacks, here, there in (
        (set(images), set(masks), image_folder, mask_folder),
        (set(masks), set(images), mask_folder, image_folder),
    ):
        if alone := sorted(has - lacks):
            raise InputError(
                f"{there}: {len(alone)} of the names in {here} are missing, {alone[0]} first; "
                "images and masks must match one to one: add the missing or move the rest away"
            )


def count_model(
    model: Model, images: dict[str, Path], truths: dict[str, Path], threads: int
) -> Iterator[np.ndarray]:
    """Yields the counts of the model's mask of each image, in order."""
    names: dict[Source, str] = {path: name for name, path in images.items()}

    def compare(image: Segmented) -> np.ndarray:
        if image.error:
            raise InputError(image.error)
        mask = make_mask(image.probability, image.height, image.width, model.contract)
        return count_pair(truths[names[image.source]], mask, image.source)

    return segment_images(model, names, compare, threads=threads)


def count_predictions(
    names: Iterable[str], truths: dict[str, Path], made: dict[str, Path], threads: int
) -> Iterator[np.ndarray]:
    """Yields the counts of each predicted mask, in order."""

    def compare(name: str) -> np.ndarray:
        return count_pair(truths[name], read_mask(made[name]), made[name])

    with ThreadPoolExecutor(threads) as pool:
        yield from map_ahead(pool, compare, names, ahead=4 * threads)


def count_pair(truth_path: Path, predicted: np.ndarray, source: Source) -> np.ndarray:
    """Counts one pair of masks; the truth is read from its file, at its own size."""
    truth = read_mask(truth_path)
    if truth.shape != predicted.shape:
        raise InputError(
            f"{source}: is {predicted.shape[1]} x {predicted.shape[0]}, its mask {truth_path} is "
            f"{truth.shape[1]} x {truth.shape[0]}; the sizes must be equal: resize neither, find the pair"
        )
    return count(truth, predicted)


def summarise(names: list[str], counts: np.ndarray) -> dict[str, Any]:
    """Turns the counts of every image into all that is reported.

    Args:
        names: name of each image.
        counts: (images, 4) as `metrics.count` returns them.
    """
    jaccard = score(counts)["jaccard"]
    order = np.argsort(jaccard, kind="stable")[:WORST]
    pooled = score(counts.sum(axis=0))
    pooled.pop("thresholded_jaccard")  # a rule for single images
    return {
        "images": len(names),
        **average(counts),
        "failure_rate": float((jaccard < FAILURE).mean()),
        "intervals": bootstrap(counts),
        "pooled": {name: float(value) for name, value in pooled.items()},
        "worst": [{"image": names[i], "jaccard": float(jaccard[i])} for i in order],
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
    worst = ", ".join(f"{entry['image']} {entry['jaccard']:.2f}" for entry in scores["worst"])
    table.caption = escape(
        f"failures (jaccard below {FAILURE}): {scores['failure_rate']:.1%}; worst: {worst}"
    )
    return table


if __name__ == "__main__":
    run(evaluate)
