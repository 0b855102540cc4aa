"""Runs the demo as its users do, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 300  # on a machine that has much else to do


@contextmanager
def serve(folder: Path, *arguments: str, start: Sequence[str] = ("-m",)) -> Iterator[str]:
    """Runs `python -m app` on a free port until the block ends; its files stay in `folder`.

    Afterwards nothing of them may be left.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary, log = folder / "temporary", folder / "log.txt"
    temporary.mkdir()
    command = [sys.executable, *start, "app", "--model", *arguments]
    command += ["--port", str(port), "--threads", "1"]
    # Without the limit of pixels that this process has set for itself.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV_")}
    environment = {**kept, "TMPDIR": str(temporary)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as server,
    ):
        end = time.monotonic() + START_SECONDS
        while True:
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)
    left = [str(path.relative_to(temporary)) for path in temporary.rglob("*")]
    assert not left, left
