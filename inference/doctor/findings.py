"""What a check of `inference.doctor` finds, and what known error messages mean."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from inference.machine import Answer, ask

ASCEND = Path("/usr/local/Ascend")
SOURCE_CANN = "run `source {}` in this shell first"
# Pattern in an error message -> its likely cause, and the fix.
ERROR_HINTS = {
    r"libGL\.so|libgthread": "opencv-python needs a display's libraries; pip uninstall opencv-python, "
    "then pip install --force-reinstall opencv-python-headless",
    r"NumPy 1\.|numpy\.core|_ARRAY_API": "a package was built for another NumPy; pip install -U it",
    r"GLIBC|CXXABI": "the system is older than the package; use a newer one, or a container",
    r"lib(ascend|hccl|acl|graph|ge_)\w*\.so": f"CANN's libraries are not found; {SOURCE_CANN}",
    r"lib(cu|nv)\w+\.so": "CUDA's or cuDNN's libraries are not found; pip install "
    "'onnxruntime-gpu[cuda,cudnn]', or the versions that the package was built for",
    r"undefined symbol": "a package was built for another version of torch; install the versions in "
    "pyproject.toml's extra npu",
    r"communicate with the NVIDIA driver|driver version": "the driver is not loaded, or does not match "
    "the kernel; restart or reinstall it, and start containers with --gpus all",
    r"attribute 'accelerator'|check_available": "torch is too old; pip install -U torch",
    r"no answer within": "a driver or device hangs; stop other programs that use it, or restart the "
    "machine",
}

State = Literal["ok", "note", "absent", "broken"]


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        state: ok; note, works with a drawback; absent, an optional part that is not there; broken.
        hint: likely cause and fix.
    """

    subject: str
    state: State
    found: str
    hint: str = ""


def ask_python(code: str, **variables: str) -> Answer:
    """Runs code in a Python process of its own."""
    return ask(sys.executable, "-c", code, **variables)


def explain(answer: Answer, otherwise: str) -> str:
    """The hint for a known error message, or `otherwise`."""
    for pattern, hint in ERROR_HINTS.items():
        if re.search(pattern, answer.said):
            return hint.format(find_set_env())
    return otherwise


def find_set_env() -> Path:
    """CANN's set_env.sh, or where it usually is."""
    found = sorted([*ASCEND.glob("*/set_env.sh"), *ASCEND.glob("*/*/set_env.sh")])
    return found[0] if found else ASCEND / "cann" / "set_env.sh"


def source_cann() -> str:
    """The hint to set up CANN's environment."""
    return SOURCE_CANN.format(find_set_env())
