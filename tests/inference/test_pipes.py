from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference.pipes import surviving_closed_pipes
from tests.source_tree import ROOT

TALKATIVE = """
import sys
from rich.console import Console
from inference.cli import run, say, track, warn

def talk() -> int:
    Console().print("first")
    for _ in track(range(3000), "talking", 3000):
        say("x" * 99)
        warn("y" * 99)
        Console().print("z")
    open("done", "w").close()
    return 3

run(talk)
"""


def talk(folder: Path, redirection: str, script: str = TALKATIVE) -> tuple[int, str]:
    """Starts a script from a shell; its exit code, and what reached stderr."""
    (folder / "talk.py").write_text(script)
    line = f'"{sys.executable}" talk.py {redirection}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, timeout=60
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    "redirection",
    [
        "2>/dev/null | head -1; exit ${PIPESTATUS[0]}",
        "2>&1 >/dev/null | head -1; exit ${PIPESTATUS[0]}",
        "2>&1 | true; exit ${PIPESTATUS[0]}",
        ">&-",
        "2>&- >&-",
    ],
)
def test_a_command_ends_its_work_when_nobody_reads(redirection: str, tmp_path: Path) -> None:
    code, heard = talk(tmp_path, redirection)
    assert code == 3 and not heard.replace("y", "").strip()
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    "script", [TALKATIVE, "from inference.cli import run, say\nrun(lambda: say('a short line'))"]
)
def test_a_full_disk_is_an_error(script: str, tmp_path: Path) -> None:
    """Unlike a reader that has gone: the table that was asked for is lost."""
    code, heard = talk(tmp_path, "> /dev/full", script)
    assert code == 2 and heard.splitlines()[-1].startswith("error: [Errno 28]")
    assert "Traceback" not in heard and "ignored" not in heard


def test_what_is_said_beside_the_work_does_not_end_it(tmp_path: Path) -> None:
    """A log file on a full disk."""
    code, _ = talk(tmp_path, "2> /dev/full")
    assert code == 3 and (tmp_path / "done").exists()


def test_a_reader_that_goes_in_the_middle_misses_the_rest_only() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w", buffering=1) as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with surviving_closed_pipes():
            print("heard")
            assert os.read(ours, 100) == b"heard\n"
            os.close(ours)
            print("unheard")
            assert sys.stdout.fileno() == theirs and not sys.stdout.isatty()
        assert sys.stdout is stream
        print("unheard too")  # the rest of the buffers leads nowhere now
