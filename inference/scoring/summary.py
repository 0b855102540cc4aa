"""Scores of many images: means, intervals, pooled scores, groups of lesions, the worst images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.scoring.metrics import FAILURE, average_scores, bootstrap, count, score
from inference.scoring.risk import assess_doubt

WORST = 10  # images listed by name
SMALL, LARGE = 0.05, 0.25  # areas as shares of the frame, between which a lesion is medium-sized


@dataclass(frozen=True)
class ImageCounts:
    """Counts of one image, and what groups need to know about it.

    Attributes:
        counts: (4,) int64 as `metrics.count` returns them.
        cut_off: whether the true lesion touches the border of the image.
        expected: the Jaccard index that the model expects, if it says so.
        suspected: whether it says that the image shows no lesion.
    """

    counts: np.ndarray
    cut_off: bool
    expected: float | None = None
    suspected: bool = False

    @property
    def lesion(self) -> int:
        """Area of the true mask in pixels."""
        true_positives, _, false_negatives, _ = self.counts.tolist()
        return int(true_positives + false_negatives)

    @property
    def predicted(self) -> int:
        """Area of the predicted mask in pixels."""
        true_positives, false_positives, _, _ = self.counts.tolist()
        return int(true_positives + false_positives)


def count_image(truth: np.ndarray, predicted: np.ndarray) -> ImageCounts:
    """Counts the pixels of a true and a predicted mask, (H, W) bool."""
    borders = truth[0], truth[-1], truth[:, 0], truth[:, -1]
    return ImageCounts(count(truth, predicted), any(border.any() for border in borders))


def summarise(names: Sequence[str], images: Sequence[ImageCounts]) -> dict[str, Any]:
    """Turns the counts of every image into all that is reported.

    Args:
        names: name of each image.
        images: counts of each image.

    Returns:
        Everything that --json writes: images, the mean of each of METRICS, failure_rate, intervals,
        pooled, groups and worst; and doubt, where the model says how sure it is.
    """
    counts = np.array([image.counts for image in images])
    jaccard = score(counts)["jaccard"]
    order = np.argsort(jaccard, kind="stable")[:WORST]
    pooled = score(counts.sum(axis=0))
    pooled.pop("thresholded_jaccard")  # defined for single images only
    return {
        **average_group(counts),
        "intervals": bootstrap(counts),
        "pooled": {name: float(value) for name, value in pooled.items()},
        "groups": {
            name: average_group(counts[members])
            for name, members in group_images(counts, [image.cut_off for image in images]).items()
            if members.any()
        },
        "worst": [{"image": names[i], "jaccard": float(jaccard[i])} for i in order],
        **summarise_doubt(images, jaccard),
    }


def summarise_doubt(images: Sequence[ImageCounts], jaccard: np.ndarray) -> dict[str, Any]:
    """What `assess_doubt` says and the share of images that are suspected; nothing if not known."""
    expected = [image.expected for image in images if image.expected is not None]
    if len(expected) < len(images):
        return {}
    suspected = sum(image.suspected for image in images) / len(images)
    return {"doubt": {**assess_doubt(np.array(expected), jaccard), "suspected": suspected}}


def average_group(counts: np.ndarray) -> dict[str, Any]:
    """Number of images, mean scores and failure rate of (images, 4) counts."""
    failures = score(counts)["jaccard"] < FAILURE
    return {"images": len(counts), **average_scores(counts), "failure_rate": float(failures.mean())}


def group_images(counts: np.ndarray, cut_off: Sequence[bool]) -> dict[str, np.ndarray]:
    """Groups images by their true masks: (images,) bool for each group's name."""
    true_positives, _, false_negatives, _ = counts.T
    share = (true_positives + false_negatives) / counts.sum(axis=1)
    return {
        f"below {SMALL:.0%} of the frame": share < SMALL,
        f"{SMALL:.0%} to {LARGE:.0%}": (share >= SMALL) & (share < LARGE),
        f"{LARGE:.0%} and above": share >= LARGE,
        "cut off by the frame": np.array(cut_off, bool),
        "whole in the frame": ~np.array(cut_off, bool),
    }
