"""Which versions of Ascend's software fit together, as their makers publish it; docs/ascend.md shows it.

Sources: COMPATIBILITY.md and docker/supported_tags.md of Ascend/pytorch (which torch_npu with which torch
and CANN; its .postN does not name a CANN, so every release is listed); CANN's release notes (drivers) and
the list of dependencies in its installation guide (Python, NumPy).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

Version = tuple[int, ...]


class Cann(NamedTuple):
    """What a release of CANN asks for.

    Attributes:
        drivers: releases of the driver (Ascend HDK) that it works with.
        python: the newest Python.
        numpy: False if NumPy must be below 2 where Python is below 3.13.
        extensions: releases of torch_npu, torch's extension, that are published for it.
    """

    drivers: tuple[str, ...]
    python: str
    numpy2: bool
    extensions: tuple[str, ...]


CANN = {
    "9.1": Cann(
        ("25.2", "25.3", "25.5", "25.7", "26.0", "26.1"),
        "3.14",
        True,
        (
            *("2.12.0", "2.12.0.post2", "2.11.0", "2.11.0.post2"),
            *("2.10.0.post4", "2.10.0.post6", "2.9.0.post6", "2.9.0.post8"),
        ),
    ),
    "9.0": Cann(
        ("25.0", "25.2", "25.3", "25.5", "25.7", "26.0", "26.1"),
        "3.13",
        True,
        ("2.10.0", "2.9.0.post2"),
    ),
    "8.5": Cann(
        ("25.0", "25.2", "25.3", "25.5", "25.7", "26.0", "26.1"),
        "3.13",
        False,
        ("2.9.0",),
    ),
}
NEWEST = next(iter(CANN))


class Installed(NamedTuple):
    """Versions on a machine; empty for what it lacks. The extension is torch_npu."""

    driver: str = ""
    cann: str = ""
    extension: str = ""
    torch: str = ""
    python: str = ""
    numpy: str = ""


def release(version: str) -> str:
    """Year and number of a version: 9.1 of 9.1.0 and of 9.1.RC1, 25.5 of 25.5.1."""
    return ".".join(re.findall(r"\d+", version)[:2])


def order(version: str) -> Version:
    """What versions are compared by: their numbers."""
    return tuple(map(int, re.findall(r"\d+", version)))


def torch_of(extension: str) -> str:
    """The torch that a release of torch_npu is made for: its own version, without .postN and rcN."""
    return re.match(r"[\d.]*\d", extension.split(".post")[0].split("rc")[0])[0]  # type: ignore[index]


def find_cann(extension: str) -> str | None:
    """The newest CANN that a release of torch_npu is published for."""
    return next((cann for cann, asks in CANN.items() if extension in asks.extensions), None)


def find_misfits(found: Installed) -> Iterator[tuple[str, str]]:
    """Yields each pair that does not fit, and the fix."""
    asks = CANN.get(release(found.cann))
    if found.cann and not asks:
        known = ", ".join(CANN)
        yield f"CANN {found.cann} is none of {known}", f"install CANN {NEWEST}"
    yield from find_torch_misfits(found)
    if not asks:
        return
    if found.driver and release(found.driver) not in asks.drivers:
        fitting = ", ".join(asks.drivers)
        yield (
            f"driver {found.driver} is not for CANN {found.cann}",
            f"install a driver (Ascend HDK) of {fitting}",
        )
    if found.python and order(found.python)[:2] > order(asks.python):
        yield (
            f"Python {found.python} is newer than CANN {found.cann} supports",
            f"use Python {asks.python} or older",
        )


def find_torch_misfits(found: Installed) -> Iterator[tuple[str, str]]:
    """The same, of torch_npu: with torch, and with CANN."""
    if not found.extension:
        return
    torch = torch_of(found.extension)
    plain, _, build = found.torch.partition("+")
    if plain != torch:
        yield (
            f"torch_npu {found.extension} is not for torch {found.torch or '(none)'}",
            f"pip install torch=={torch}, from PyTorch's index of CPU builds",
        )
    if build.startswith("cu"):
        yield (
            f"torch {found.torch} is a CUDA build, which excludes torch_npu",
            f"pip install torch=={torch} --index-url https://download.pytorch.org/whl/cpu",
        )
    published = find_cann(found.extension)
    asks = CANN.get(release(found.cann))
    if asks and found.extension not in asks.extensions:
        yield (
            f"torch_npu {found.extension} is not published for CANN {found.cann}",
            f"pip install torch_npu=={asks.extensions[0]} with its torch"
            + (f", or install CANN {published}" if published else ""),
        )
    elif not published and not found.cann:
        newest = CANN[NEWEST].extensions[0]
        yield (
            f"no CANN is published for torch_npu {found.extension}",
            f"pip install torch_npu=={newest} with CANN {NEWEST}",
        )


def refuses_numpy(found: Installed) -> bool:
    """True if CANN's compiler does not run in a Python with this NumPy."""
    asks = CANN.get(release(found.cann))
    old_python = order(found.python)[:2] < (3, 13)
    return bool(asks and not asks.numpy2 and old_python and order(found.numpy)[:1] >= (2,))
