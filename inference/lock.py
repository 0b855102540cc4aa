"""One run at a time in a folder: a file that says who holds it.

The file is made exclusively, which every system and file system knows how to do, and its time is
renewed while its owner lives: one that is out of date, or whose process has gone, is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import weakref
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from inference.errors import InputError
from inference.files import MACHINE

RENEWAL = 10.0  # seconds between signs of life
PATIENCE = (
    120.0  # without one, the owner is taken for dead: its machine may have gone, or its container
)


class Lock:
    """Holds a folder until it is released, or the process ends.

    Args:
        folder: must exist.
        name: of the lock file in the folder.
        fix: what else the user can do, for the error.

    Raises:
        InputError: another run holds it.
    """

    def __init__(self, folder: Path, name: str = ".lock", fix: str = "give another folder") -> None:
        self.path = folder / name
        owner = {"machine": MACHINE, "host": socket.gethostname(), "process": os.getpid()}
        content = json.dumps({**owner, "since": time.strftime("%Y-%m-%d %H:%M:%S")}).encode()
        remove_stale(self.path)
        try:
            make_exclusively(self.path, content)
        except FileExistsError:
            raise explain_lock(self.path, fix) from None
        ended = Event()
        Thread(target=renew, args=(self.path, ended), daemon=True).start()
        self.release = weakref.finalize(self, release, self.path, ended, os.getpid())


def make_exclusively(path: Path, content: bytes) -> None:
    """Makes a file that appears with its content in it; a kill leaves no empty one.

    Raises:
        FileExistsError: there is one.
    """
    temporary = path.with_name(f".{path.name}.{MACHINE}-{os.getpid()}.partial")
    temporary.unlink(missing_ok=True)
    try:
        write_new(temporary, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, such as exFAT
            write_new(path, content)
    finally:
        temporary.unlink(missing_ok=True)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file that must not be there, not even as a link."""
    with path.open("xb") as file:
        file.write(content)


def renew(path: Path, ended: Event) -> None:
    """Gives signs of life until the lock is released."""
    while not ended.wait(RENEWAL):
        with suppress(OSError):
            os.utime(path)


def release(path: Path, ended: Event, process: int) -> None:
    """Gives a folder back, unless this is a fork of the process that holds it."""
    ended.set()
    if os.getpid() == process:
        with suppress(OSError):
            path.unlink()


def remove_stale(path: Path) -> None:
    """Removes a lock whose owner has gone."""
    if not is_held(path):
        with suppress(FileNotFoundError):
            path.unlink()


def is_held(path: Path) -> bool:
    """True if the owner of a lock file is alive, as far as can be told."""
    try:
        age = time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return False
    owner = read_owner(path)
    if owner.get("machine") == MACHINE and not is_running(owner.get("process")):
        return False
    return age < PATIENCE


def explain_lock(path: Path, fix: str) -> InputError:
    """The error of a run that finds a folder held."""
    return InputError(
        f"{path.parent}: another run is using this folder ({describe_owner(path)}); wait for it, or "
        f"{fix}; if it has ended, delete {path}"
    )


def describe_owner(path: Path) -> str:
    """Who holds a lock, and since when."""
    owner = read_owner(path)
    if not owner:
        return "it does not say which"
    return f"process {owner.get('process')} on {owner.get('host')}, since {owner.get('since')}"


def read_owner(path: Path) -> dict[str, object]:
    """What a lock says of its owner; empty if it has just been made, or is not a lock."""
    with suppress(OSError, ValueError, RecursionError):
        owner = json.loads(path.read_bytes()[:4096])
        return owner if isinstance(owner, dict) else {}
    return {}


def is_running(process: object) -> bool:
    """True if a process with this id runs on this machine."""
    if not isinstance(process, int) or process < 1:
        return False
    if sys.platform == "win32":  # there, `os.kill` would end it
        import ctypes

        synchronize, timeout = 0x100000, 0x102
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(synchronize, False, process)
        running = bool(handle) and kernel.WaitForSingleObject(handle, 0) == timeout
        kernel.CloseHandle(handle)
        return running
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return not is_zombie(process)


def is_zombie(process: int) -> bool:
    """True if a process has ended, and nobody took note: in containers whose first process is no init."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # there is no /proc, or it has just gone
        return False
    return status.rpartition(")")[2].split()[0] in "ZX"
