"""Compares training runs: how each differs from the first, and its best epoch.

python -m training.compare runs/first runs/second runs/third
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from inference.cli import run
from training.records.run_table import tabulate_runs


def compare(
    runs: Annotated[list[Path], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")],
) -> None:
    """Print a table of training runs, in Markdown, with the scores of their best epochs.

    For runs that differ only in --fold or --seed, it also prints the mean and standard deviation.

    Args:
        runs: Run folders. All others are compared with the first.
    """
    Console(highlight=False, soft_wrap=True).print(tabulate_runs(runs), markup=False)


if __name__ == "__main__":
    run(compare)
