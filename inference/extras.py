"""Packages that a part of the project needs beyond the base ones, asked for before it is imported.

from inference.extras import require
require("train", "torch")
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

OURS = ("inference", "training", "export", "app")


def require(extra: str, *packages: str) -> None:
    """Makes sure that packages of an extra are installed; they are not imported.

    A command of ours, which is being started, ends with one line on stderr and exit code 2.

    Raises:
        ModuleNotFoundError: one is not, and this is no command.
    """
    for package in packages:
        if not is_installed(package):
            message = explain_missing(extra, package)
            if starts_command():
                print(f"error: {message}", file=sys.stderr)
                sys.exit(2)
            raise ModuleNotFoundError(message, name=package)


def explain_missing(extra: str, package: str) -> str:
    """Says that a package is not installed, and what installs it."""
    return f"{package} is not installed; install it: pip install -e '.[{extra}]'"


def is_installed(package: str) -> bool:
    """True if a package can be found."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # hidden by a hook, or half-imported
        return False


def starts_command() -> bool:
    """True if `python -m` is loading one of our commands, or the packages around it."""
    # Of the command, once the packages around it are loaded; until then its name is "-m".
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return sys.argv[:1] == ["-m"] or (spec is not None and spec.name.split(".")[0] in OURS)
