"""CANN, the software of Ascend devices: where it is, which version, how its environment is set up."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inference.machine import read

ROOTS = (Path("/usr/local/Ascend"), Path.home() / "Ascend")  # installed by root, and by others
NEW, OLD = "cann", "ascend-toolkit"  # the folder of CANN 8.5 and later, and of those before
USUAL = f"source {ROOTS[0] / NEW}/set_env.sh (before CANN 8.5: {ROOTS[0] / OLD}/set_env.sh)"


def find_set_env() -> Path | None:
    """The set_env.sh of this machine's CANN, the newer place first; None if there is none."""
    candidates = [root / folder for root in ROOTS for folder in (NEW, OLD)]
    candidates += [found for root in ROOTS for found in sorted(root.glob("*/latest"))]
    scripts = (folder / "set_env.sh" for folder in candidates)
    return next((script for script in scripts if script.is_file()), None)


def source_cann() -> str:
    """The hint to set up CANN's environment, with the script's path if it is here."""
    script = find_set_env()
    return (
        f"run `source {script}` in this shell first" if script else f"{USUAL} in this shell first"
    )


def toolkit_home() -> Path | None:
    """The folder that set_env.sh has named; None where it has not run."""
    named = os.environ.get("ASCEND_TOOLKIT_HOME") or os.environ.get("ASCEND_HOME_PATH")
    return Path(named) if named else None


def cann_version(home: Path) -> str:
    """The toolkit's version, as its installer recorded it, such as 9.1.0; empty if it is not found."""
    for note in sorted(home.glob("*-linux/ascend_toolkit_install.info")):
        if match := re.search(r"^version=(.+)$", read(note), re.MULTILINE):
            return match[1].strip()
    return ""


def driver_version(table: str) -> str:
    """The driver's version, from the head of `npu-smi info`, such as 25.5.1; empty if it is not there.

    Containers have npu-smi mounted; version.info of the driver is read where npu-smi says nothing.
    """
    if match := re.search(r"\bVersion:\s*(\w[\w.]*)", table):
        return match[1]
    for root in ROOTS:
        if match := re.search(r"^[Vv]ersion\s*=\s*(\S+)", read(root / "driver/version.info"), re.M):
            return match[1]
    return ""
