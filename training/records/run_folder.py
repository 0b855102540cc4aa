"""The folder of a run: configuration, environment and metrics. No run overwrites an earlier one.

runs/first/config.json environment.json log.txt metrics.csv curves.png overlays.jpg tensorboard/
           last.pt previous.pt best.pt
"""

from __future__ import annotations

import csv
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from inference.errors import InputError
from inference.files import is_text, replacing, write_json
from inference.lock import Lock
from inference.machine import usable_cores
from training.config import TrainConfig

CONFIG, METRICS = "config.json", "metrics.csv"
OTHER_FOLDER = "give another --out folder"


def require_free(config: TrainConfig) -> None:
    """Refuses a run's folder that another run is at work in, or that holds something else.

    Raises:
        InputError: it does.
    """
    run = config.out
    if not is_text(str(run)):  # TensorBoard and log.txt cannot hold it
        raise InputError(f"--out {run}: has a name that is not UTF-8; {OTHER_FOLDER}")
    if not run.is_dir():
        return
    with explaining(run):
        Lock(run, fix=OTHER_FOLDER).release()  # an earlier run there is renamed, one at work is not
    if not config.resume and any(run.iterdir()) and not (run / CONFIG).exists():
        raise InputError(f"--out {run}: holds files but is not a run; give an empty folder")


def open_run(config: TrainConfig, resume: bool, ran_on: dict[str, Any]) -> tuple[Path, Lock]:
    """Makes a run's folder, or opens the one to resume, and holds it.

    Args:
        resume: continue the run there; otherwise an earlier run of that name is renamed.
        ran_on: device, precision and ranks, for environment.json.

    Raises:
        InputError: the folder holds something else or another run, or cannot be written to.
    """
    run = config.out
    require_free(config)
    if resume:
        for left_over in run.glob(".*.pt"):  # by a process that was killed while saving
            left_over.unlink()
    elif run.is_dir() and any(run.iterdir()):
        set_aside(run)
    with explaining(run):
        run.mkdir(parents=True, exist_ok=True)
        lock = Lock(run, fix=OTHER_FOLDER)
        write_json(run / CONFIG, config.to_dict(), indent=2)
        environment = {**describe_environment(), **ran_on}
        write_json(run / "environment.json", environment, indent=2)
    return run, lock


@contextmanager
def explaining(run: Path) -> Iterator[None]:
    """Turns the OSError of a folder that cannot be written to into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"--out {run}: cannot be written to ({error.strerror}); give another folder, or free some "
            "space"
        ) from error


def set_aside(run: Path) -> None:
    """Renames the folder of an earlier run.

    Raises:
        InputError: this command works in it, or it is where a disk is mounted.
    """
    place = Path(os.path.abspath(run))
    reason = "the current folder" if place in (Path.cwd(), *Path.cwd().parents) else ""
    try:
        if not reason:
            os.rename(place, name_backup(place))
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise InputError(
            f"--out {run}: holds an earlier run and cannot be renamed ({reason}); give another --out "
            "folder, or continue it with --resume"
        )


def name_backup(run: Path) -> Path:
    """A free name beside a run's: RUN-20260131-235959."""
    stem = f"{run.name}-{datetime.now():%Y%m%d-%H%M%S}"
    names = (f"{stem}-{number}" if number else stem for number in count())
    return next(path for path in map(run.with_name, names) if not path.exists())


def describe_environment() -> dict[str, Any]:
    """What can make two runs of one configuration differ."""
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    packages = {found.name: found.version for found in importlib.metadata.distributions()}
    return {
        "command": sys.argv,
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "cores": usable_cores(),
        "packages": dict(sorted(packages.items())),
    }


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Rows of a run's metrics.csv, one per epoch; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"])} for row in rows]


def write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes metrics.csv, atomically: a header line, then one row per epoch."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
