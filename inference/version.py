"""The project's own name and version."""

from __future__ import annotations

from importlib import metadata

PROJECT = "attention-unet"


def find_version() -> str:
    """The installed version; "unknown" if the project runs from a folder that was never installed."""
    try:
        return metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        return "unknown"
