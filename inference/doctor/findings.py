"""What a check of `inference.doctor` finds, and what known error messages mean."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from typing import Literal, NamedTuple

from inference.cann import source_cann
from inference.machine import Answer, ask

# Pattern in an error message -> its likely cause, and the fix.
ERROR_HINTS = {
    r"libGL\.so|libgthread": "opencv-python needs a display's libraries; pip uninstall opencv-python, "
    "then pip install --force-reinstall opencv-python-headless",
    r"NumPy 1\.|numpy\.core|_ARRAY_API": "a package was built for another NumPy; pip install -U it",
    r"GLIBC|CXXABI": "the system is older than the package; use a newer one, or a container",
    r"lib(ascend|hccl|acl|graph|ge_)\w*\.so": "CANN's libraries are not found; {cann}",
    r"lib(cu|nv)\w+\.so": "CUDA's or cuDNN's libraries are not found; pip install "
    "'onnxruntime-gpu[cuda,cudnn]', or the versions that the package was built for",
    r"undefined symbol": "a package was built for another version of torch; install the versions in "
    "pyproject.toml's extra npu",
    r"Two accelerators": "torch is a CUDA build, which excludes torch_npu; pip install the same torch "
    "with --index-url https://download.pytorch.org/whl/cpu",
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
            return hint.format(cann=source_cann())
    return otherwise


def query_tool(tool: str, summarise: Callable[[str], str], *arguments: str) -> Finding:
    """What a vendor's tool says about the devices of this machine."""
    if not shutil.which(tool):
        return Finding(
            tool, "absent", "is not on the PATH", "only machines with such devices need it"
        )
    answer = ask(tool, *arguments)
    if answer.ok:
        return Finding(tool, "ok", summarise(answer.said))
    return Finding(
        tool, "broken", answer.said, explain(answer, "check the driver: its version, and dmesg")
    )
