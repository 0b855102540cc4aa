"""Scores a model, or a folder of masks made by anyone, as the official ISIC 2018 scorer does.

python -m inference.evaluate images/ masks/ --model model.onnx
python -m inference.evaluate images/ masks/ --predictions made/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from inference.command import InputError, run, track
from inference.ensemble import Looks
from inference.files import index_images, index_masks, replacing
from inference.machine import usable_cores
from inference.masks import make_mask
from inference.models import HELD_OUT, SHIPPED, read_held_out
from inference.pixels import Source, read_mask
from inference.scores import Compared, compare, summarise, tabulate
from inference.session import Provider, require_threads
from inference.stream import Model, Segmented, map_ahead, segment_images

Pairs = dict[str, tuple[Path, Path]]  # image and true mask by name


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
        looks: How often an image is looked at.
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
        scores = score_model(looks.open(model or SHIPPED, threads, provider), pairs, threads)
    Console().print(tabulate(scores))
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")


def find_pairs(images: Path, masks: Path) -> Pairs:
    """Finds the image and the true mask of every name.

    Raises:
        InputError: an image has no mask, or a mask no image.
    """
    names, truths = index_images(images), index_masks(masks)
    require_same_names(names, truths, images, masks)
    return {name: (path, truths[name]) for name, path in names.items()}


def pair_up(folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pairs folders of images with those of their masks, which follow them.

    Raises:
        InputError: one is left over.
    """
    if len(folders) % 2:
        raise InputError(
            f"{len(folders)} folders: images and masks come in pairs, as in data/test data/test_GT; "
            "add the missing one"
        )
    return list(zip(folders[::2], folders[1::2]))


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


def score_model(model: Model, pairs: Pairs, threads: int) -> dict[str, Any]:
    """Scores a model's masks, as `scores.summarise` reports them.

    Raises:
        InputError: an image or a mask cannot be read, or their sizes differ.
    """
    truths: dict[Source, Path] = dict(pairs.values())

    def check(image: Segmented) -> Compared:
        if image.error:
            raise InputError(image.error)
        mask = make_mask(image.probability, image.height, image.width, model.contract)
        return compare_files(truths[image.source], mask, image.source)

    compared = segment_images(model, truths, check, threads=threads)
    return summarise(list(pairs), list(track(compared, "scoring", len(pairs))))


def score_predictions(pairs: Pairs, made: dict[str, Path], threads: int) -> dict[str, Any]:
    """Scores masks that anyone made, as `scores.summarise` reports them.

    Raises:
        InputError: a mask cannot be read, or the sizes of two differ.
    """

    def check(name: str) -> Compared:
        return compare_files(pairs[name][1], read_mask(made[name]), made[name])

    with ThreadPoolExecutor(threads) as pool:
        compared = map_ahead(pool, check, pairs, ahead=4 * threads)
        return summarise(list(pairs), list(track(compared, "scoring", len(pairs))))


def compare_files(truth_path: Path, predicted: np.ndarray, source: Source) -> Compared:
    """Compares a mask with the true one, which is read from its file, at its own size."""
    truth = read_mask(truth_path)
    if truth.shape != predicted.shape:
        raise InputError(
            f"{source}: is {predicted.shape[1]} x {predicted.shape[0]}, its mask {truth_path} is "
            f"{truth.shape[1]} x {truth.shape[0]}; the sizes must be equal: resize neither, find the pair"
        )
    return compare(truth, predicted)


if __name__ == "__main__":
    run(evaluate)
