"""Scores a model, or masks made by anything, against true masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.cli import track, warn
from inference.errors import InputError
from inference.images.mask import LESION, MIN_SOFT_LEVELS, to_lesion
from inference.images.mask_levels import MaskLevels
from inference.images.pixels import Source, read_levels
from inference.masks.segmentation import Segmentation
from inference.runtime.pool import Pool
from inference.runtime.segmenter import Segmenter
from inference.runtime.stream import Failure, map_ahead, segment_files
from inference.scoring.pairs import Pairs
from inference.scoring.summary import ImageCounts, count_image, summarise

INVERTED = 0.5  # sensitivity and specificity together; a mask of all or nothing has 1


def score_model(
    model: Segmenter, pairs: Pairs, threads: int, mask_levels: MaskLevels | None = None
) -> dict[str, Any]:
    """Scores a model's masks; returns what `summarise` does.

    Raises:
        InputError: an image or a mask cannot be read, their sizes differ, or the true masks are none.
    """
    truths: dict[Source, Path] = dict(pairs.values())

    def count_lesion(lesion: Segmentation) -> ImageCounts:
        assert isinstance(lesion.source, Path)
        truth = truths[lesion.source]
        counted = count_masks(read_meant(truth, mask_levels), lesion.mask, truth, lesion.source)
        return dataclasses.replace(
            counted, expected=lesion.expected_jaccard, suspected=lesion.warning is not None
        )

    images = []
    results = segment_files(model, truths, count_lesion, threads=threads)
    for result in track(results, "scoring", len(pairs)):
        if isinstance(result, Failure):
            raise InputError(result.error)
        images.append(result)
    require_lesions([image.lesion for image in images], list(truths.values()))
    warn_of_inversion(images)
    return summarise(list(pairs), images)


def score_predictions(
    pairs: Pairs, predicted: dict[str, Path], threads: int, mask_levels: MaskLevels | None = None
) -> dict[str, Any]:
    """Scores predicted masks, by name; returns what `summarise` does.

    Raises:
        InputError: a mask cannot be read, differs from the true one in size, or one side has no lesion.
    """

    def count_name(name: str) -> ImageCounts:
        truth = pairs[name][1]
        lesion, found = (read_meant(path, mask_levels) for path in (truth, predicted[name]))
        return count_masks(lesion, found, truth, predicted[name])

    with Pool(threads) as pool:
        counted = map_ahead(pool, count_name, pairs, ahead=4 * threads)
        images = list(track(counted, "scoring", len(pairs)))
    require_lesions([image.lesion for image in images], [mask for _, mask in pairs.values()])
    if (
        mask_levels is None
    ):  # a model may find nothing anywhere: whoever states the levels is believed
        require_lesions([image.predicted for image in images], list(predicted.values()))
    warn_of_inversion(images)
    return summarise(list(pairs), images)


def read_meant(path: Path, mask_levels: MaskLevels | None) -> np.ndarray:
    """Reads a mask, (H, W) bool; refuses one of dark labels unless it was said how they are meant.

    Raises:
        InputError: it holds 0 and a few levels up to LESION: by the official rule it would be empty.
    """
    levels = read_levels(path)
    largest = levels.max()
    if mask_levels is None and largest == 1:
        raise InputError(
            f"{path}: its largest value is 1, but only values above {LESION} are lesion; add "
            "--mask-levels 01 if 1 means lesion, or --mask-levels 255 to score it as empty"
        )
    # A faint prediction of many levels may well be empty; 0 and a few others are labels.
    few = 1 < largest <= LESION and len(np.unique(levels)) < MIN_SOFT_LEVELS
    if mask_levels is None and few and levels.min() == 0:
        raise InputError(
            f"{path}: its largest value is {largest}, but only values above {LESION} are lesion; save "
            "it as 0 and 255, or add --mask-levels 255 to score it as empty"
        )
    return to_lesion(levels, mask_levels)


def require_lesions(areas: Sequence[int], paths: Sequence[Path]) -> None:
    """Raises InputError if no mask of a folder has a lesion: nothing could be measured."""
    if not any(areas):
        raise InputError(
            f"{paths[0].parent}: all {len(paths)} masks are empty, no value is above {LESION}; give "
            "masks of 0 and 255, or add --mask-levels 01 if 1 means lesion"
        )


def warn_of_inversion(images: Sequence[ImageCounts]) -> None:
    """Says so if masks contradict each other nearly everywhere: Youden's index of all pixels near -1."""
    pooled = np.sum([image.counts for image in images], axis=0)
    true_positives, false_positives, false_negatives, true_negatives = pooled.tolist()
    sensitivity = true_positives / max(1, true_positives + false_negatives)
    specificity = true_negatives / max(1, true_negatives + false_positives)
    if true_negatives + false_positives and sensitivity + specificity < INVERTED:
        warn(
            f"warning: sensitivity {sensitivity:.2f} and specificity {specificity:.2f} of all pixels: "
            "one side looks inverted; lesion must be white (255) in all masks"
        )


def count_masks(
    truth: np.ndarray, predicted: np.ndarray, truth_path: Path, source: Source
) -> ImageCounts:
    """Counts the pixels of a true mask and a predicted one, (H, W) bool.

    Args:
        source: what was segmented, for the error message.
    """
    if truth.shape != predicted.shape:
        raise InputError(
            f"{source}: is {predicted.shape[1]} x {predicted.shape[0]}, its mask {truth_path} is "
            f"{truth.shape[1]} x {truth.shape[0]}; sizes must agree: find the right mask"
        )
    return count_image(truth, predicted)
