"""Decode | infer | finish, in parallel and in bounded memory; an image that fails stops no other."""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from threading import Lock
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import Resized, Source, explain_opencv, read_resized
from inference.masks.segmentation import Segmentation
from inference.runtime.pool import Pool
from inference.runtime.segmenter import Segmenter

Item = TypeVar("Item")
Result = TypeVar("Result")


class Failure(NamedTuple):
    """An image that could not be segmented or written, and why: a line of errors.csv."""

    image: str
    error: str


class Decoded(NamedTuple):
    """An image on its way to the model."""

    source: Source
    resized: Resized


class Stopwatch:
    """Sums the seconds that all threads spend in each stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()

    def time(self, stage: str, function: Callable[[Item], Result]) -> Callable[[Item], Result]:
        """Wraps a function so that its seconds count for a stage."""

        def timed(item: Item) -> Result:
            start = time.perf_counter()
            try:
                return function(item)
            finally:
                with self._lock:
                    self.seconds[stage] += time.perf_counter() - start

        return timed


def map_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Like `map`, in order, but computes up to `ahead` items in the pool before they are asked for."""
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


def segment_files(
    segmenter: Segmenter,
    sources: Iterable[Source],
    finish: Callable[[Segmentation], Result],
    batch_size: int = 8,
    threads: int = 2,
    watch: Stopwatch | None = None,
) -> Iterator[Result | Failure]:
    """Segments image files in order.

    At most 2 * `batch_size` images wait before the model and as many behind it, all at the model's size;
    only those in the hands of a thread exist at their own size.

    Args:
        finish: what becomes of each segmentation; called in threads, several at once.
        batch_size: images computed at once; it changes the speed, not the masks.
        threads: threads that decode, and as many that finish.
        watch: times the stages decode, infer and write.

    Yields:
        What `finish` returned, image by image; a Failure for an image that could not be read, computed or
        finished.
    """
    watch = watch or Stopwatch()
    size = segmenter.contract.size

    def decode(source: Source) -> Decoded | Failure:
        return attempt(lambda image: Decoded(image, read_resized(image, size)), source, source)

    def complete(image: Segmentation | Failure) -> Result | Failure:
        return image if isinstance(image, Failure) else attempt(finish, image, image.source)

    with Pool(threads) as decoders, Pool(threads) as finishers:
        decoded = map_ahead(decoders, watch.time("decode", decode), sources, ahead=2 * batch_size)
        model = watch.time("infer", segmenter)
        segmented = infer(model, decoded, segmenter.contract, batch_size, segmenter.digests)
        yield from map_ahead(finishers, watch.time("write", complete), segmented, 2 * batch_size)


def attempt(function: Callable[[Item], Result], item: Item, source: object) -> Result | Failure:
    """Calls a function for one image; whatever it raises becomes a Failure."""
    try:
        return function(item)
    except Exception as error:
        return Failure(str(source), explain(error, source))


def explain(error: Exception, source: object) -> str:
    """Says on one line what went wrong with an image; a library may raise anything."""
    if isinstance(error, (InputError, OSError)):  # it is broken or has gone, the disk is full
        return str(error)
    if isinstance(error, cv2.error):
        reason = explain_opencv(error)
    else:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
    if isinstance(error, MemoryError) or re.search("memory|alloc", reason, re.IGNORECASE):
        return f"{source}: does not fit into memory; make it smaller"
    return f"{source}: failed with {type(error).__name__} ({reason}); convert it to PNG, or leave it out"


def infer(
    model: Callable[[np.ndarray], np.ndarray],
    decoded: Iterator[Decoded | Failure],
    contract: Contract,
    batch_size: int,
    models: tuple[str, ...] = (),
) -> Iterator[Segmentation | Failure]:
    """Runs the model on batches of the images that could be read; keeps the order of all.

    The model sees a single batch size, since some runtimes compile and keep a model for each: a short
    batch is filled up with its last image, unless it is the only one. The images of a batch that fails
    are computed one by one.
    """

    def compute(image: Decoded) -> np.ndarray:
        return model(image.resized.pixels[None])[0]

    several = False
    while batch := list(islice(decoded, batch_size)):
        pixels = [image.resized.pixels for image in batch if isinstance(image, Decoded)]
        several = several or len(batch) == batch_size
        if pixels and several:
            pixels += pixels[-1:] * (batch_size - len(pixels))
        probabilities: Iterator[np.ndarray] | None
        try:
            probabilities = iter(model(np.stack(pixels)) if pixels else ())
        except Exception:  # no runtime's errors have a public base class
            probabilities = None
        for image in batch:
            if isinstance(image, Failure):
                yield image
                continue
            found = next(probabilities) if probabilities else attempt(compute, image, image.source)
            if isinstance(found, Failure):
                yield found
            else:
                seen, height, width, scale = image.resized
                yield Segmentation(
                    image.source, found, height, width, contract, seen, scale, models
                )
