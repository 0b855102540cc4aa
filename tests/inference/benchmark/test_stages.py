from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.benchmark.stages import time_stages
from inference.contract import Contract
from inference.images.pixels import read_resized


def test_stages_are_those_of_segment(data: Path) -> None:
    seen = []

    class Noting:
        contract = Contract(size=8)

        def __call__(self, images: np.ndarray) -> np.ndarray:
            seen.append(images)
            return images[..., 0] / np.float32(255)

    paths = sorted((data / "valid").iterdir())
    stages = time_stages(Noting(), paths)  # type: ignore[arg-type]
    assert set(stages) == {"decode", "infer", "write"} and min(stages.values()) > 0
    expected = [read_resized(path, 8).pixels for path in paths]
    assert np.array_equal(np.concatenate(seen), expected)
