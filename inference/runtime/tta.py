"""Several looks at one image, averaged: by mirroring it, by several models, by windows over it.

All are called like a Segmenter and cost that many times its time; all are off unless asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.errors import InputError
from inference.images.pixels import resize
from inference.runtime.session import Provider, Segmenter
from inference.runtime.stream import Model


@dataclass(frozen=True)
class Looks:
    """How often an image is looked at; the probabilities are averaged.

    Attributes:
        ensemble: Further model files, to be averaged with --model.
        flips: Average over the image, its two mirror images, and both at once: 4 times the work.
        windows: Average the whole image with 9 overlapping windows of half its sides, for lesions that
            are small in the frame: 10 times the work.
    """

    ensemble: tuple[Path, ...] = ()
    flips: bool = False
    windows: bool = False

    def open(self, model: Path, threads: int, provider: Provider = "auto") -> Model:
        """Opens the model files and puts the looks around them.

        Raises:
            InputError: a file is no model, or the models' contracts differ.
        """
        first = Segmenter(model, threads, provider)
        # What auto became for the first holds for all: a run has one provider.
        further = [Segmenter(path, threads, first.provider) for path in self.ensemble]
        opened: list[Model] = [first, *further]
        looking = opened[0] if len(opened) == 1 else Ensemble(opened, (model, *self.ensemble))
        if self.flips:
            looking = Flipped(looking)
        return Windowed(looking) if self.windows else looking

    def describe(self, model: Path, opened: Model) -> dict[str, Any]:
        """What the masks depend on, so that those of two runs are not mixed.

        Args:
            opened: what `open` made of the model file.
        """
        files = (model, *self.ensemble)
        return {
            "models": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
            "contract": opened.contract.to_json(),
            "provider": find_provider(opened),
            "flips": self.flips,
            "windows": self.windows,
        }


class Ensemble:
    """The mean of several models."""

    def __init__(self, models: Sequence[Model], paths: Sequence[Path]) -> None:
        self.models = models
        self.contract = models[0].contract
        for model, path in zip(models, paths):
            if (
                dataclasses.replace(model.contract, provenance=self.contract.provenance)
                != self.contract
            ):
                raise InputError(
                    f"{path}: its contract (size, threshold, clean-up) is not that of {paths[0]}; "
                    "models that are averaged must share it"
                )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return average([model(images) for model in self.models])


def find_provider(opened: Model) -> Provider:
    """Where an opened model runs: what `auto` became."""
    while not isinstance(opened, Segmenter):
        assert isinstance(opened, (Ensemble, Flipped, Windowed)), opened
        opened = opened.models[0] if isinstance(opened, Ensemble) else opened.model
    return opened.provider


def average(looks: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of (N, S, S) float32 probabilities, as such."""
    return np.stack(looks).mean(axis=0, dtype=np.float32)


class Flipped:
    """The mean over an image and its mirror images, each result mirrored back."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.contract = model.contract

    def __call__(self, images: np.ndarray) -> np.ndarray:
        looks = []
        for axes in ((), (1,), (2,), (1, 2)):
            mirrored = np.ascontiguousarray(np.flip(images, axes))
            looks.append(np.flip(self.model(mirrored), axes))
        return average(looks)


class Windowed:
    """The mean of the whole image and of overlapping windows of half its sides, at twice the size."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.contract = dataclasses.replace(model.contract, size=2 * model.contract.size)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        side = self.model.contract.size
        whole = self.model(np.stack([resize(image, side) for image in images]))
        total = np.stack(
            [
                cv2.resize(look, (2 * side, 2 * side), interpolation=cv2.INTER_LINEAR)
                for look in whole
            ]
        )
        looks = np.ones_like(total[0])
        steps = (0, side // 2, side)
        for rows, columns in product((slice(step, step + side) for step in steps), repeat=2):
            total[:, rows, columns] += self.model(np.ascontiguousarray(images[:, rows, columns]))
            looks[rows, columns] += 1
        return total / looks
