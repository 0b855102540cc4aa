"""Writing files that are whole or not there at all."""

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

# Other machines may write to the same folder: their processes' numbers say nothing here.
MACHINE = f"{zlib.crc32(socket.gethostname().encode()):08x}"
TEMPORARY = re.compile(
    rf"\..+\.{MACHINE}-(\d{{1,7}})\.partial(\.\w+)?"
)  # as `replacing` names them


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, and renames it to `path` if the block succeeds.

    So `path` is never half-written: a block that fails leaves what was there before. The temporary
    name keeps the suffix, by which encoders choose the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{MACHINE}-{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say what it is full for
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Writes JSON atomically, on one line or indented."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
