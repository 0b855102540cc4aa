"""Output that outlives its reader: `| head -1`, a pager that was left, a terminal that has gone."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

# Windows has no name of its own for a closed pipe; EIO is a terminal that has gone.
READER_GONE = {errno.EPIPE, errno.ESHUTDOWN, errno.ECONNRESET, errno.EIO}
READER_GONE |= {errno.EINVAL} if sys.platform == "win32" else set()


class LastingStream:
    """A text stream that, once its reader has gone, drops what it is given instead of raising.

    Args:
        needed: raise if the disk is full, as what was asked for would be lost.
    """

    def __init__(self, stream: TextIO, needed: bool) -> None:
        self._stream, self._needed = stream, needed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._dropping():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._dropping():
            self._stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is still in buffers, and what libraries print past Python, leads nowhere from now on.
            with suppress(OSError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
            if self._needed and error.errno not in READER_GONE:
                raise


@contextmanager
def surviving_closed_pipes() -> Iterator[None]:
    """Makes stdout and stderr last; one that was closed before the program started leads nowhere."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nowhere:
        out, err = (
            cast(TextIO, LastingStream(stream or nowhere, needed=stream is before[0]))
            for stream in before
        )
        sys.stdout, sys.stderr = out, err
        try:
            yield
        finally:
            out.flush()
            err.flush()
            sys.stdout, sys.stderr = before
