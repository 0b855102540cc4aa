"""Decode | infer | finish, side by side: memory flat in the number of images, one bad image stays one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from inference.command import InputError
from inference.pixels import read_image, resize
from inference.session import Segmenter

Item = TypeVar("Item")
Result = TypeVar("Result")


class Decoded(NamedTuple):
    """An image on its way to the model, or the reason why it is not."""

    path: Path
    pixels: np.ndarray  # (S, S, 3) uint8 RGB; empty if there is an error
    height: int = 0
    width: int = 0
    error: str = ""


class Segmented(NamedTuple):
    """An image's probability map at the model's size, and the image's own size."""

    path: Path
    probability: np.ndarray  # (S, S) float32; empty if there is an error
    height: int
    width: int
    error: str


def map_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Like `map`, in order, with up to `ahead` items computed in the pool before they are asked for."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def segment_images(
    segmenter: Segmenter,
    paths: Iterable[Path],
    finish: Callable[[Segmented], Result],
    batch_size: int = 8,
    threads: int = 2,
) -> Iterator[Result]:
    """Segments image files in order.

    Args:
        finish: what becomes of each image; it runs in a thread, several at once.
        batch_size: images computed at once; it changes the speed, not the masks.
        threads: threads that decode, and as many that finish.

    Yields:
        What `finish` returned, image by image. A file that cannot be read reaches `finish` with its
        `error` set.
    """
    decode = partial(decode_image, size=segmenter.contract.size)
    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(threads) as finishers:
        decoded = map_ahead(decoders, decode, paths, ahead=2 * batch_size)
        segmented = infer(segmenter, decoded, batch_size)
        yield from map_ahead(finishers, finish, segmented, ahead=2 * batch_size)


def decode_image(path: Path, size: int) -> Decoded:
    """Reads one image and squashes it to the model's size; an error becomes part of the result."""
    try:
        image = read_image(path)
    except (InputError, OSError) as error:
        return Decoded(path, np.empty(0, np.uint8), error=str(error))
    return Decoded(path, resize(image, size), *image.shape[:2])


def infer(segmenter: Segmenter, decoded: Iterator[Decoded], batch_size: int) -> Iterator[Segmented]:
    """Runs the model on batches of the images that could be read; keeps the order of all."""
    while batch := list(islice(decoded, batch_size)):
        readable = [image.pixels for image in batch if not image.error]
        probabilities = iter(segmenter(np.stack(readable)) if readable else ())
        for path, empty, height, width, error in batch:
            probability = empty if error else next(probabilities)
            yield Segmented(path, probability, height, width, error)
