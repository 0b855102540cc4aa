"""Segmenter: what a notebook and every command use. An opened model, from images to segmentations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inference.contract import UNFITTED
from inference.errors import InputError
from inference.images.pixels import Resized, Source, read_resized, resize
from inference.masks.segmentation import Segmentation
from inference.models import SHIPPED
from inference.runtime.integrity import verify_digest
from inference.runtime.providers import Provider
from inference.runtime.session import Session, open_session
from inference.runtime.tta import Compute, average_flips, average_models

Image = str | Path | bytes | np.ndarray | Source


class Segmenter:
    """An exported model, opened. Pickled, it is opened again, as for the processes of a pool.

    Args:
        path: model.onnx, as `make export` writes it, or model.om with its model.json beside it.
        threads: cores that one batch is computed on; 0 is all of them.
        provider: what computes: cpu, openvino, cuda, tensorrt, cann; auto takes the fastest that works.
        ensemble: further model files; the probabilities of all are averaged.
        tta: test-time augmentation: average over the image and its flips, 4 times the work.
        threshold: in place of the contract's.

    Attributes:
        path: of the (first) model file.
        provider: what auto became; one for all models.
        contract: the input's size, the threshold, the clean-up.

    Raises:
        InputError: a file is missing or not a model, the contracts of an ensemble differ, or the
            threshold is not between 0 and 1.
        ProviderError: the provider is not installed or cannot run this model.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int = 0,
        provider: Provider = "auto",
        ensemble: Sequence[str | Path] = (),
        tta: bool = False,
        threshold: float | None = None,
    ) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise InputError(f"--threshold {threshold}: must be between 0 and 1, as in 0.4")
        self._arguments = path, threads, provider, ensemble, tta, threshold
        self.path = Path(path)
        first = open_session(self.path, threads, provider)
        self.provider, self.contract = first.provider, first.contract
        self._paths = [self.path, *map(Path, ensemble)]
        further = [open_session(each, threads, self.provider) for each in self._paths[1:]]
        require_same_contract(self._paths, [first, *further])
        if threshold is not None:
            self.contract = dataclasses.replace(self.contract, threshold=threshold)
        self._tta = tta
        self._compute: Compute = first.compute
        if further:
            computes = [session.compute for session in (first, *further)]
            self._compute = partial(average_models, computes)
        if tta:
            self._compute = partial(average_flips, self._compute)

    def __reduce__(self) -> tuple[type[Segmenter], tuple[Any, ...]]:
        return Segmenter, self._arguments

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Runs the model on a batch.

        Args:
            images: (N, S, S, 3) uint8 RGB, S the contract's size.

        Returns:
            (N, S, S) float32 probability of lesion, in [0, 1].
        """
        size = self.contract.size
        assert images.shape[1:] == (size, size, 3) and images.dtype == np.uint8, images.shape
        return self._compute(images)

    def segment(self, image: Image) -> Segmentation:
        """Segments one image of any size.

        Args:
            image: an image file's path, its bytes, or (H, W, 3) uint8 RGB pixels: an array, or what numpy
                makes one of, such as an RGB image of PIL.

        Raises:
            InputError: not an image, only a part of one, or one with too many pixels.
            OSError: the file cannot be opened.
        """
        source = as_source(image)
        pixels, height, width, scale = read_input(source, self.contract.size)
        found = self(pixels[None])[0]
        return Segmentation(
            source, found, height, width, self.contract, pixels, scale, self.digests
        )

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of the model files."""
        return tuple(verify_digest(path) for path in self._paths)

    def fingerprint(self) -> dict[str, Any]:
        """What the masks depend on: two runs with the same fingerprint write the same masks."""
        return {
            "models": [*self.digests],
            "contract": self.contract.to_json(),
            "provider": self.provider,
            # The names that earlier releases wrote into their journals, so that --resume takes them over.
            "flips": self._tta,
            "windows": False,
        }


def load(
    path: str | Path = SHIPPED,
    threads: int = 0,
    provider: Provider = "auto",
    ensemble: Sequence[str | Path] = (),
    tta: bool = False,
    threshold: float | None = None,
) -> Segmenter:
    """Opens a model, by default the one that ships; arguments and errors as in `Segmenter`."""
    return Segmenter(path, threads, provider, ensemble, tta, threshold)


def require_same_contract(paths: Sequence[Path], sessions: Sequence[Session]) -> None:
    """Raises InputError unless all models share size, threshold and clean-up."""
    first, *others = (
        dataclasses.replace(session.contract, provenance={}, **UNFITTED) for session in sessions
    )
    for path, contract in zip(paths[1:], others):
        if contract != first:
            raise InputError(
                f"{path}: its contract (size, threshold, clean-up) differs from that of {paths[0]}; "
                "models that are averaged must share it"
            )


class Encoded(NamedTuple):
    """The bytes of an image file, as a `Source`."""

    data: bytes

    def __str__(self) -> str:
        return f"image of {len(self.data)} bytes"

    def read_bytes(self) -> bytes:
        return self.data


def as_source(image: Image) -> Source | np.ndarray:
    """What `Segmenter.segment` takes, as an array of pixels or something with `read_bytes`.

    Raises:
        InputError: it is neither.
    """
    if isinstance(image, str):
        return Path(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return Encoded(bytes(image))
    if hasattr(image, "__array__") or hasattr(image, "__array_interface__"):
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(
                f"an array of {image.dtype} with shape {image.shape}: must be uint8 RGB of shape "
                "(height, width, 3); convert it first"
            )
        return image
    if not hasattr(image, "read_bytes"):
        raise InputError(
            f"a {type(image).__name__}: must be a path, the bytes of an image file, or an (H, W, 3) "
            "uint8 array; give one image at a time"
        )
    return image


def read_input(source: Source | np.ndarray, size: int) -> Resized:
    """The model's input, and the image's own size."""
    if isinstance(source, np.ndarray):
        return Resized(resize(source, size), *source.shape[:2])
    return read_resized(source, size)
