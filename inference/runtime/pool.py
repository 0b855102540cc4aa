"""Threads that Ctrl-C does not wait for: reading from a server that has gone may take for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import TracebackType

GRACE = 5.0  # seconds for what is at work when a run is interrupted, such as writing a file

NAME = "inference-pool-"  # of the threads, before the number of their pool
numbers = count()


class Pool(ThreadPoolExecutor):
    """A pool that waits for its threads at the end, but after Ctrl-C for GRACE seconds at most.

    A thread that is still at work then is left behind; `cli.run` ends the program all the same.
    """

    def __init__(self, threads: int) -> None:
        self.name = f"{NAME}{next(numbers)}-"
        super().__init__(threads, self.name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if kind is not KeyboardInterrupt:
            return super().__exit__(kind, error, trace)
        self.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + GRACE
        for thread in find_threads(self.name):
            thread.join(max(0.0, end - time.monotonic()))
        return None


def find_threads(name: str = NAME) -> list[threading.Thread]:
    """The threads of all pools that have not ended, or of the one with this name."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]
