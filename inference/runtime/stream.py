"""Decode | infer | finish, side by side: memory flat in the number of images, one bad image stays one."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import Source, read_resized

OUT_OF_MEMORY = "does not fit into memory; make it smaller"  # said of an image

Item = TypeVar("Item")
Result = TypeVar("Result")


class Model(Protocol):
    """A Segmenter, or what can be called like one."""

    contract: Contract

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, S, S, 3) uint8 -> (N, S, S) float32 probability, S the contract's size."""


class Decoded(NamedTuple):
    """An image on its way to the model, or the reason why it is not."""

    source: Source
    pixels: np.ndarray  # (S, S, 3) uint8 RGB; empty if there is an error
    height: int = 0
    width: int = 0
    error: str = ""


class Segmented(NamedTuple):
    """An image's probability map at the model's size, and the image's own size."""

    source: Source
    probability: np.ndarray  # (S, S) float32; empty if there is an error
    height: int
    width: int
    error: str


class Stopwatch:
    """Adds up the seconds that all threads spend in each stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()

    def time(self, stage: str, function: Callable[[Item], Result]) -> Callable[[Item], Result]:
        """`function`, its seconds counted under the name of a stage."""

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
    model: Model,
    sources: Iterable[Source],
    finish: Callable[[Segmented], Result],
    batch_size: int = 8,
    threads: int = 2,
    watch: Stopwatch | None = None,
) -> Iterator[Result]:
    """Segments image files in order.

    At most 2 * `batch_size` images wait before the model and as many behind it, all at its size; only
    those in the hands of a thread are there at their own size.

    Args:
        finish: what becomes of each image; it runs in a thread, several at once.
        batch_size: images computed at once; it changes the speed, not the masks.
        threads: threads that decode, and as many that finish.
        watch: times the stages decode, infer and write.

    Yields:
        What `finish` returned, image by image. A file that cannot be read reaches `finish` with its
        `error` set.
    """
    watch = watch or Stopwatch()
    size = model.contract.size

    def decode(source: Source) -> Decoded:
        try:
            return Decoded(source, *read_resized(source, size))
        except (InputError, OSError) as error:
            reason = str(error)
        except MemoryError:
            reason = f"{source}: {OUT_OF_MEMORY}"
        return Decoded(source, np.empty(0, np.uint8), error=reason)

    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(threads) as finishers:
        decoded = map_ahead(decoders, watch.time("decode", decode), sources, ahead=2 * batch_size)
        segmented = infer(watch.time("infer", model), decoded, batch_size)
        finish = watch.time("write", finish)
        yield from map_ahead(finishers, finish, segmented, ahead=2 * batch_size)


def infer(
    model: Callable[[np.ndarray], np.ndarray], decoded: Iterator[Decoded], batch_size: int
) -> Iterator[Segmented]:
    """Runs the model on batches of the images that could be read; keeps the order of all.

    The model sees one batch size alone, as some runtimes compile and keep a model for each: a short
    batch is filled up with its last image, unless it is all there is.
    """
    several = False
    while batch := list(islice(decoded, batch_size)):
        readable = [image.pixels for image in batch if not image.error]
        several = several or len(batch) == batch_size
        if readable and several:
            readable += readable[-1:] * (batch_size - len(readable))
        probabilities = iter(model(np.stack(readable)) if readable else ())
        for source, empty, height, width, error in batch:
            probability = empty if error else next(probabilities)
            yield Segmented(source, probability, height, width, error)
