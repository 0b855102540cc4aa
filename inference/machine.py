"""The machine: processor, cores, memory, accelerators, and what its programs print."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from inference.errors import InputError

ROOT = Path(__file__).parents[1]
CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
MAX_SECONDS = 120  # for a program to answer: CANN is slow to start


class Answer(NamedTuple):
    """What a program printed: all of stdout if it exited with 0, else one line that says why not."""

    ok: bool
    said: str


def ask(*command: str, **variables: str) -> Answer:
    """Runs a program with some environment variables added; never raises: a failure is an Answer."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Answer(False, f"no answer within {MAX_SECONDS} s")
    except OSError as error:
        return Answer(False, error.strerror or str(error))
    if done.returncode == 0:
        return Answer(True, done.stdout.strip())
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    if done.returncode < 0:
        return Answer(False, f"ended by {signal.strsignal(-done.returncode) or done.returncode}")
    return Answer(False, lines[-1] if lines else f"exit code {done.returncode}")


def processor() -> str:
    """The processor's name, as far as the system knows it."""
    names = re.findall(r"^model name\s*:\s*(.+)$", read(Path("/proc/cpuinfo")), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def has_vnni() -> bool:
    """Whether the processor has VNNI, as far as the system (Linux) tells.

    Without it, onnxruntime's 8-bit products saturate.
    """
    return bool(
        re.search(r"^flags\b.*\bavx(512)?_vnni\b", read(Path("/proc/cpuinfo")), re.MULTILINE)
    )


def usable_cores() -> int:
    """How many cores the system lets this process run on."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_threads(threads: int) -> int:
    """The number of threads to use: `threads`, or all usable cores for 0.

    Raises:
        InputError: it is below 0.
    """
    if threads < 0:
        raise InputError(f"--threads {threads}: must be at least 0; leave it out for all cores")
    return threads or usable_cores()


def core_quota() -> float | None:
    """CPU quota of the control group (container) in cores; None if unlimited.

    Reads cpu.max of cgroup v2 and cpu.cfs_quota_us of v1 (Linux docs: cgroup-v2, sched-bwc).
    """
    pairs = [read(folder / "cpu.max").split() for folder in own_groups()]
    old = CONTROL_GROUPS / "cpu"
    pairs.append(
        [*read(old / "cpu.cfs_quota_us").split(), *read(old / "cpu.cfs_period_us").split()]
    )
    quotas = [int(pair[0]) / int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0].isdigit()]
    return min(quotas, default=None)


def memory() -> tuple[int, int | None] | None:
    """Memory of the machine in bytes, and the control group's limit if it has one; None if unknown."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    files = [folder / "memory.max" for folder in own_groups()]
    files.append(CONTROL_GROUPS / "memory" / "memory.limit_in_bytes")
    limits = [int(text) for file in files if (text := read(file).strip()).isdigit()]
    limit = min(limits, default=whole)
    return whole, limit if limit < whole else None


def own_groups() -> list[Path]:
    """Folders of this process's control group (v2) and of its ancestors."""
    match = re.search(r"^0::/(.*)$", read(OWN_GROUP), re.MULTILINE)
    own = CONTROL_GROUPS / (match[1] if match else "")
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(CONTROL_GROUPS)]


def read(path: Path) -> str:
    """The text of a system file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def find_chips(table: str) -> list[str]:
    """Chip names, such as 910B3, in the output of `npu-smi info`: one per device."""
    return re.findall(r"^\|\s*\d+\s+(\w+)\s*\|\s*[A-Z]", table, re.MULTILINE)
