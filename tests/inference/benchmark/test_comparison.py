from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.benchmark.comparison import compare_subjects, load_batch
from inference.benchmark.subjects import Subject
from inference.images.pixels import read_image, read_resized, resize


def redness(images: np.ndarray) -> np.ndarray:
    return images[..., 0] / np.float32(255)


def test_rows_are_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(images: np.ndarray) -> np.ndarray:
        raise RuntimeError("no\nkernel")

    seconds = {0: [0.5, 0.2, 0.1], 1: [0.1] * 9 + [9.0], 2: RuntimeError("no\nkernel"), -1: [0.01]}
    monkeypatch.setattr(
        "inference.benchmark.comparison.time_interleaved",
        lambda computations, rounds: dict(seconds),
    )
    monkeypatch.setattr(
        "inference.benchmark.comparison.matrix_product", lambda threads: (None, 5.0)
    )
    subjects = [
        Subject("a", "x", 1, redness, 8, 1.0, gflop=100),
        Subject("b", "x", 4, lambda images: redness(images) + 0.25, 8, 1.0),
        Subject("c", "x", 1, broken, 8, 1.0),
    ]
    (first, second, third), peak = compare_subjects(subjects, [], rounds=3, threads=1)
    assert peak == pytest.approx(500)
    assert (first.fps, first.ratio, first.difference) == (5, 1, 0)
    assert first.peak == pytest.approx(1.0)  # 5 images of 100 GFLOP a second
    assert second.fps == pytest.approx(40) and second.ratio == pytest.approx(8)
    assert second.difference == pytest.approx(0.25) and second.peak is None
    assert second.p90_ms == pytest.approx(1000 * np.percentile(seconds[1], 90))
    assert third.error == "no kernel" and third.fps is None


def test_images_are_the_folders_and_repeat(data: Path) -> None:
    paths = sorted((data / "valid").iterdir())
    batch = load_batch(paths, 8, 5)
    expected = [read_resized(paths[number % 3], 8).pixels for number in range(5)]
    assert np.array_equal(batch, expected)
    # At this size the two ways to decode differ, or neither test would tell them apart.
    assert not np.array_equal(batch[0], resize(read_image(paths[0]), 8))
