"""Two runs never write into one folder, and a dead one is in nobody's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inference.errors import InputError
from inference.lock import PATIENCE, Lock, is_running


def test_a_second_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    lock = Lock(tmp_path, fix="give another --out folder")
    with pytest.raises(
        InputError, match=rf"process {os.getpid()} on .*give another --out"
    ) as caught:
        Lock(tmp_path, fix="give another --out folder")
    assert "\n" not in str(caught.value)
    lock.release()
    Lock(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from inference.lock import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path]).returncode == 9
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    Lock(tmp_path).release()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="zombies are seen in /proc")
def test_a_process_that_ended_unnoticed_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    os.kill(child.pid, 0)
    assert not is_running(child.pid)
    child.communicate()


def test_of_another_machine_only_age_is_known(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text(
        json.dumps({"machine": "00000000", "host": "far", "process": 1, "since": "now"})
    )
    with pytest.raises(InputError, match="process 1 on far, since now"):
        Lock(tmp_path)
    old = time.time() - PATIENCE - 1
    os.utime(path, (old, old))
    Lock(tmp_path).release()


@pytest.mark.parametrize("content", [b"", b"5", b"\xff", b"[" * 5000, b'{"process": "x"}'])
def test_a_lock_that_says_nothing_is_held_while_it_is_new(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_bytes(content)
    with pytest.raises(InputError, match="another run is using this folder"):
        Lock(tmp_path)
    os.utime(path, (1, 1))
    Lock(tmp_path).release()


def test_who_runs() -> None:
    assert is_running(os.getpid())
    for process in (0, -1, None, "1", 2**40):
        assert not is_running(process)


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    lock = Lock(tmp_path)
    with pytest.raises(InputError, match=f"process {os.getpid()}"):
        Lock(tmp_path)
    lock.release()
    assert not list(tmp_path.iterdir())
