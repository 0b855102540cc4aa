"""Scores of a model, or of masks that anyone made, against true masks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from inference.cli import track
from inference.errors import InputError
from inference.images.pixels import Source, read_mask
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter
from inference.runtime.stream import Failure, map_ahead, segment_files
from inference.scoring.pairs import Pairs
from inference.scoring.summary import Compared, compare, summarise


def score_model(model: Segmenter, pairs: Pairs, threads: int) -> dict[str, Any]:
    """Scores a model's masks, as `scores.summarise` reports them.

    Raises:
        InputError: an image or a mask cannot be read, or their sizes differ.
    """
    truths: dict[Source, Path] = dict(pairs.values())

    def check(lesion: Segmentation) -> Compared:
        assert isinstance(lesion.source, Path)
        return compare_files(truths[lesion.source], lesion.mask, lesion.source)

    compared = []
    results = segment_files(model, truths, check, threads=threads)
    for result in track(results, "scoring", len(pairs)):
        if isinstance(result, Failure):
            raise InputError(result.error)
        compared.append(result)
    return summarise(list(pairs), compared)


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
