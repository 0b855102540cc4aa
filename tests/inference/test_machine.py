from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from inference import machine
from inference.machine import ask


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up /sys/fs/cgroup, this process in /pod/box of it."""
    folder = tmp_path / "cgroup"
    (folder / "pod" / "box").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/pod/box\n")
    monkeypatch.setattr(machine, "CONTROL_GROUPS", folder)
    monkeypatch.setattr(machine, "OWN_GROUP", tmp_path / "own")
    return folder


def test_answers_of_programs() -> None:
    assert ask(sys.executable, "-c", "print('well')") == (True, "well")
    failing = "import sys; print('no', file=sys.stderr); print('card'); sys.exit(3)"
    assert ask(sys.executable, "-c", failing) == (False, "no")
    assert ask(sys.executable, "-c", "raise SystemExit(3)") == (False, "exit code 3")
    assert ask(sys.executable, "-c", "import os; os.abort()") == (False, "ended by Aborted")
    assert ask("no-such-program") == (False, "No such file or directory")
    assert ask(sys.executable, "-c", "import os; print(os.environ['X'])", X="y").said == "y"


def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_SECONDS", 1)
    answer = ask(sys.executable, "-c", "import time; time.sleep(60)")
    assert answer == (False, "no answer within 1 s")


def test_limits_of_containers(groups: Path) -> None:
    assert machine.core_quota() is None
    (groups / "pod" / "box" / "cpu.max").write_text("max 100000\n")
    assert machine.core_quota() is None
    (groups / "pod" / "cpu.max").write_text("150000 100000\n")  # the group around it counts too
    assert machine.core_quota() == 1.5
    whole, limit = machine.memory() or (0, 0)
    assert whole == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") and limit is None
    (groups / "pod" / "box" / "memory.max").write_text("max\n")
    (groups / "pod" / "memory.max").write_text("4096000\n")
    assert machine.memory() == (whole, 4096000)


def test_limits_of_containers_on_older_systems(groups: Path) -> None:
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert machine.core_quota() is None
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    assert machine.core_quota() == 2
    (groups / "memory").mkdir()
    (groups / "memory" / "memory.limit_in_bytes").write_text("8192000\n")
    assert (machine.memory() or (0, 0))[1] == 8192000


@pytest.mark.parametrize(
    ("flags", "known"),
    [("fma avx2 avx512_vnni", True), ("avx_vnni lm", True), ("fma avx2", False), ("", False)],
)
def test_vnni_is_found(flags: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "read", lambda path: f"bugs\t: avx_vnni\nflags\t\t: {flags}\n")
    assert machine.has_vnni() == known


def test_the_machine_itself() -> None:
    assert machine.processor()
    assert 1 <= machine.usable_cores() <= (os.cpu_count() or 1)
