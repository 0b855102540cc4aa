"""What INT8 costs and brings, beside the float32 model that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.verify import mask_iou
from inference.benchmark.comparison import add_scores, compare_subjects
from inference.benchmark.subjects import Subject, open_subjects
from inference.benchmark.table import BenchmarkRow
from inference.images.mask_levels import MaskLevels
from inference.runtime.session import installed_providers
from inference.scoring.pairs import Pairs

MAX_LOSS = 0.005  # of dice against the true masks
MIN_IOU = 0.99  # with the float32 model's masks, if there are no true ones: a dice of 0.995


@dataclass(frozen=True)
class Int8Evaluation:
    """Both models in every runtime installed here.

    Attributes:
        float_rows: what was measured of the float32 model, a row for each runtime.
        int8_rows: the same of the INT8 model.
        mask_iou: IoU of their masks in one runtime; None if no runtime runs both.
    """

    float_rows: list[BenchmarkRow]
    int8_rows: list[BenchmarkRow]
    mask_iou: float | None

    @property
    def rows(self) -> list[BenchmarkRow]:
        return [*self.float_rows, *self.int8_rows]

    @property
    def objections(self) -> list[str]:
        """Why the INT8 model is not recommended; none if it is as fast and as good."""
        objections = find_failures(self.float_rows, self.int8_rows)
        if self.mask_iou is None:
            return [*objections, "no runtime here runs both models"]
        before, after = find_fastest(self.float_rows), find_fastest(self.int8_rows)
        ratio = (after.fps or 0) / (before.fps or 1)
        if ratio < 1:
            objections.append(f"it runs at {ratio:.2f} of the float model's rate")
        if before.dice is not None and after.dice is not None:
            loss = before.dice - after.dice
            if not loss <= MAX_LOSS:  # so that a NaN is one
                objections.append(f"it loses {loss:.4f} of dice, more than {MAX_LOSS}")
        elif not self.mask_iou >= MIN_IOU:
            objections.append(f"its masks agree to IoU {self.mask_iou:.4f}, less than {MIN_IOU}")
        return objections


def evaluate_int8(
    source: Path,
    int8: Path,
    images: Sequence[Path],
    pairs: Pairs,
    samples: np.ndarray,
    rounds: int,
    threads: int,
    mask_levels: MaskLevels | None = None,
) -> Int8Evaluation:
    """Measures both models, interleaved, in every runtime installed here.

    Args:
        source, int8: the float32 and the INT8 model file.
        images: files to time the models on.
        pairs: images and true masks to score them on; may be empty.
        samples: (N, S, S, 3) uint8 RGB, to compare the two models' masks on.
        rounds: timed runs of each model.
    """
    providers = installed_providers()
    float_models, float_failed = open_subjects([source], providers, (1,), threads)
    int8_models, int8_failed = open_subjects([int8], providers, (1,), threads)
    subjects = [*float_models, *int8_models]
    rows, _ = compare_subjects(subjects, images, rounds, threads)
    if pairs:
        add_scores(rows, subjects, pairs, threads, mask_levels)
    float_rows = [*rows[: len(float_models)], *float_failed]
    int8_rows = [*rows[len(float_models) :], *int8_failed]
    shared = find_shared(float_rows, int8_rows)
    iou = compare_masks(float_models, int8_models, shared[0], samples) if shared else None
    return Int8Evaluation(float_rows, int8_rows, iou)


def name_models(evaluation: Int8Evaluation, source: Path, written: Path, target: Path) -> None:
    """Puts the names that people know into the rows, in place.

    Args:
        written: the INT8 file that was measured.
        target: what it is renamed to.
    """
    same_name = source.name == target.name  # in different folders
    for row in evaluation.float_rows:
        row.model = str(source) if same_name else source.name
    for row in evaluation.int8_rows:
        row.model = str(target) if same_name else target.name
        row.error = row.error.replace(str(written), str(target))


def find_shared(float_rows: Sequence[BenchmarkRow], int8_rows: Sequence[BenchmarkRow]) -> list[str]:
    """The runtimes that run both models."""
    working = {row.provider for row in int8_rows if not row.error}
    return [row.provider for row in float_rows if not row.error and row.provider in working]


def find_failures(
    float_rows: Sequence[BenchmarkRow], int8_rows: Sequence[BenchmarkRow]
) -> list[str]:
    """Where only the INT8 model fails; a runtime without its device runs neither and does not count."""
    working = {row.provider for row in float_rows if not row.error}
    return [
        f"fails on {row.provider} ({row.error})"
        for row in int8_rows
        if row.error and row.provider in working
    ]


def find_fastest(rows: Sequence[BenchmarkRow]) -> BenchmarkRow:
    """The row of the runtime with the best rate."""
    return max((row for row in rows if row.fps), key=lambda row: row.fps or 0)


def compare_masks(
    float_models: Sequence[Subject],
    int8_models: Sequence[Subject],
    provider: str,
    samples: np.ndarray,
) -> float:
    """IoU of the masks of the two models, both in one runtime."""
    pair = [
        next(subject for subject in subjects if subject.provider == provider)
        for subjects in (float_models, int8_models)
    ]
    assert pair[0].segmenter is not None
    threshold = pair[0].segmenter.contract.threshold
    expected, found = (
        np.concatenate([subject.compute(sample[None]) for sample in samples]) for subject in pair
    )
    return mask_iou(expected > threshold, found > threshold)
