"""Atomic writes: a file is complete, or not there at all; and names that every library takes."""

from __future__ import annotations

import json
import os
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference.errors import InputError
from inference.version import PROJECT

# Machines may share the output folder, and a process id means nothing on another machine.
MACHINE = f"{zlib.crc32(socket.gethostname().encode()):08x}"
# What `replacing` calls its temporary files; group 1 is the process id.
TEMPORARY = re.compile(rf"\..+\.{MACHINE}-(\d{{1,7}})\.partial(\.\w+)?")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, and renames it to `path` if the block succeeds.

    `path` is never half-written: if the block fails, what was there before stays. Missing folders are
    made. The temporary name keeps the suffix, by which encoders choose the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of a long name only its checksum fits beside the rest: names have up to 255 bytes.
    stem = (
        path.stem
        if len(os.fsencode(path.name)) < 200
        else f"{zlib.crc32(os.fsencode(path.name)):08x}"
    )
    temporary = path.with_name(f".{stem}.{MACHINE}-{os.getpid()}.partial{path.suffix}")
    try:
        temporary.unlink(missing_ok=True)  # a link that someone has put there is not followed
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # "disk full" comes without a name
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def is_text(name: str) -> bool:
    """False for a name with bytes that are no UTF-8."""
    return not re.search("[\ud800-\udfff]", name)


def require_text_name(path: Path) -> None:
    """Raises InputError for a name that is not UTF-8: several libraries open no such files."""
    if not is_text(str(path)):
        raise InputError(f"{path}: has a name that is not UTF-8; rename it")


def cache_folder() -> Path:
    """The project's folder among the user's caches, in $XDG_CACHE_HOME or else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", PROJECT)


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Writes JSON atomically, on one line unless `indent` is given."""
    write_bytes(path, json.dumps(content, indent=indent).encode() + b"\n")
