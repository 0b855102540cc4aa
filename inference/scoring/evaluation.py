"""Scores a model, or masks made by anything, against true masks."""

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
from inference.scoring.summary import ImageCounts, count_image, summarise


def score_model(model: Segmenter, pairs: Pairs, threads: int) -> dict[str, Any]:
    """Scores a model's masks; returns what `summarise` does.

    Raises:
        InputError: an image or a mask cannot be read, or their sizes differ.
    """
    truths: dict[Source, Path] = dict(pairs.values())

    def count_lesion(lesion: Segmentation) -> ImageCounts:
        assert isinstance(lesion.source, Path)
        return count_file(truths[lesion.source], lesion.mask, lesion.source)

    images = []
    results = segment_files(model, truths, count_lesion, threads=threads)
    for result in track(results, "scoring", len(pairs)):
        if isinstance(result, Failure):
            raise InputError(result.error)
        images.append(result)
    return summarise(list(pairs), images)


def score_predictions(pairs: Pairs, predicted: dict[str, Path], threads: int) -> dict[str, Any]:
    """Scores predicted masks, by name; returns what `summarise` does.

    Raises:
        InputError: a mask cannot be read, or differs from the true one in size.
    """

    def count_name(name: str) -> ImageCounts:
        return count_file(pairs[name][1], read_mask(predicted[name]), predicted[name])

    with ThreadPoolExecutor(threads) as pool:
        images = map_ahead(pool, count_name, pairs, ahead=4 * threads)
        return summarise(list(pairs), list(track(images, "scoring", len(pairs))))


def count_file(truth_path: Path, predicted: np.ndarray, source: Source) -> ImageCounts:
    """Counts the pixels of a predicted mask, (H, W) bool, and of a true one, read from its file.

    Args:
        source: what was segmented, for the error message.
    """
    truth = read_mask(truth_path)
    if truth.shape != predicted.shape:
        raise InputError(
            f"{source}: is {predicted.shape[1]} x {predicted.shape[0]}, its mask {truth_path} is "
            f"{truth.shape[1]} x {truth.shape[0]}; they must be equal: find the right mask"
        )
    return count_image(truth, predicted)
