"""Each stage of segmenting a file, timed alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.images.pixels import read_resized
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter

MAX_IMAGES = 32


def time_stages(segmenter: Segmenter, paths: Sequence[Path]) -> dict[str, float]:
    """Images per second of each stage, on the first MAX_IMAGES files, one after another.

    Decoding and writing (the cut to a mask included) take one thread, inference those of the model.
    """
    seconds = {"decode": 0.0, "infer": 0.0, "write": 0.0}
    paths = paths[:MAX_IMAGES]
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths):
            marks = [time.perf_counter()]
            image = read_resized(path, segmenter.contract.size)
            marks.append(time.perf_counter())
            (probability,) = segmenter(image.pixels[None])
            marks.append(time.perf_counter())
            lesion = Segmentation(
                path, probability, image.height, image.width, segmenter.contract, image.pixels
            )
            lesion.save(Path(folder, f"{number}.png"))
            marks.append(time.perf_counter())
            for stage, duration in zip(seconds, np.diff(marks), strict=True):
                seconds[stage] += float(duration)
    return {stage: len(paths) / total for stage, total in seconds.items()}
