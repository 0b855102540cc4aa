"""How every command of the project starts and ends.

if __name__ == "__main__":
    run(segment)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tyro
from rich.console import Console
from rich.progress import track as track_progress

from inference.errors import InputError

Item = TypeVar("Item")


def run(command: Callable[..., int | None]) -> None:
    """Parses the command line into `command`'s arguments, runs it and exits.

    Exit code: what the command returns (None is 0), 2 for bad input, 130 for Ctrl-C.
    """
    module = sys.modules[command.__module__].__spec__
    with one_line_errors():
        sys.exit(tyro.cli(command, prog=f"python -m {module.name}" if module else None))


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns the errors that a user can mend into one line on stderr; all others keep their trace."""
    try:
        yield
    except (InputError, OSError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"error: {error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def track(items: Iterable[Item], doing: str, total: int) -> Iterator[Item]:
    """Yields the items under a progress bar on stderr, if that is a terminal; it goes when done."""
    console = Console(stderr=True)
    yield from track_progress(
        items, doing, total, console=console, transient=True, disable=not console.is_terminal
    )
