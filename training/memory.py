"""Memory while training: kept by the process, and explained when it runs out."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from inference.errors import InputError

if TYPE_CHECKING:  # which imports the names of devices, and those import this
    from training.config import TrainConfig


def keep_memory() -> None:
    """Lets the C library keep freed memory for the next step instead of giving it back.

    By default glibc maps every large tensor anew, and the kernel fills each with zeros, page by page: a
    fifth of a training step on CPU. The numbers are those of malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD.
    Other C libraries have no mallopt and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-4, 0)
        mallopt(-1, -1)  # a finite threshold, of 2 GB at most, is less than a large batch takes


@contextmanager
def explain_memory(config: TrainConfig) -> Iterator[None]:
    """Turns the out-of-memory errors of all devices into one line.

    Raises:
        InputError: out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        exhausted = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not exhausted and "allocate memory" not in str(error):
            raise
        raise InputError(
            f"--batch-size {config.batch_size}: out of memory; the last checkpoint is whole: go on from "
            f"it with a smaller batch or more parts, as in --accumulate {2 * config.accumulate}"
        ) from error
