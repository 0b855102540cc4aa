"""Checks of `inference.doctor`: accelerators, as their vendors' tools and torch see them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from inference.doctor import findings
from inference.doctor.findings import Finding, ask_python, explain, source_cann
from inference.machine import ask, find_chips, read

TORCH = (
    "import torch; found = torch.accelerator.current_accelerator(check_available=True); "
    "print(torch.__version__ + ', accelerator:', found.type if found else 'none')"
)
TORCH_NPU = (
    "import torch_npu, torch; print(torch_npu.__version__, 'with torch', "
    "torch.__version__ + ', devices:', torch.npu.device_count())"
)
WITHOUT_EXTENSIONS = {
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"
}  # torch without extensions that load with it


def check_torch() -> Iterator[Finding]:
    """Torch, which training and export need, and its Ascend extension."""
    answer = ask_python(TORCH)
    if answer.ok:
        yield from check_devices(answer.said)
    elif "No module named 'torch'" in answer.said:
        hint = "training and export need it; pip install -e '.[train,export]'"
        yield Finding("torch", "absent", "is not installed", hint)
        return
    elif ask_python(TORCH, **WITHOUT_EXTENSIONS).ok:
        hint = (
            "torch itself works; an extension that loads with it does not, usually torch_npu without "
            f"CANN; {source_cann()}, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 to keep extensions out, or "
            "pip uninstall torch_npu"
        )
        yield Finding("torch", "broken", answer.said, hint)
    else:
        yield Finding("torch", "broken", answer.said, explain(answer, "pip install -U torch"))
    yield check_extension()


def check_extension() -> Finding:
    """Torch's Ascend extension, imported by name."""
    subject, answer = "extension torch_npu", ask_python(TORCH_NPU, **WITHOUT_EXTENSIONS)
    if answer.ok:
        return Finding(subject, "ok", answer.said)
    if "No module named 'torch_npu'" in answer.said:
        return Finding(subject, "absent", "is not installed", "only machines with CANN need it")
    hint = f"{source_cann()}, and install the versions in the extra npu"
    return Finding(subject, "broken", answer.said, explain(answer, hint))


def check_devices(torch: str) -> Iterator[Finding]:
    """What torch sees; a note if it misses an accelerator of this machine.

    Args:
        torch: its version and accelerator, as TORCH prints them.
    """
    tools = {"nvidia-smi": ("-L",), "npu-smi": ("info",)}
    seen = [tool for tool, arguments in tools.items() if ask(tool, *arguments).ok]
    if seen and torch.endswith("none"):
        hint = "training uses the CPU; install the torch build, or torch_npu, for the accelerator"
        yield Finding("torch", "note", f"{torch}, though {seen[0]} answers", hint)
    else:
        yield Finding("torch", "ok", torch)


def check_nvidia() -> Iterator[Finding]:
    """NVIDIA's driver and GPUs."""
    fields = "--query-gpu=name,driver_version,memory.total"
    yield query_tool(
        "nvidia-smi", lambda said: "; ".join(said.splitlines()), fields, "--format=csv,noheader"
    )


def check_ascend() -> Iterator[Finding]:
    """Ascend's NPUs, toolkit and compiler."""

    def name_chips(said: str) -> str:
        unhealthy = re.findall(r"\|\s*(Warning|Alarm|Critical)\s*\|", said)
        return (
            ", ".join([*find_chips(said), *(f"health: {state}" for state in unhealthy)])
            or "no chip"
        )

    yield query_tool("npu-smi", name_chips, "info")
    home = os.environ.get("ASCEND_TOOLKIT_HOME", "")
    if home and not Path(home).is_dir():
        hint = f"ASCEND_TOOLKIT_HOME is wrong; {source_cann()}"
        yield Finding("CANN", "broken", f"{home}: no such folder", hint)
    elif home:
        yield Finding("CANN", "ok", f"{home}, {cann_version(Path(home))}")
    elif findings.ASCEND.is_dir():
        hint = f"its environment is not set up; {source_cann()}"
        yield Finding(
            "CANN", "broken", f"{findings.ASCEND} exists, ASCEND_TOOLKIT_HOME is not set", hint
        )
    else:
        yield Finding(
            "CANN", "absent", "is not installed", "only Ascend devices and export.to_om need it"
        )
    compiler = shutil.which("atc")
    hint = f"export.to_om needs it; install CANN, and {source_cann()}"
    if compiler:
        yield Finding("atc", "ok", compiler)
    else:
        yield Finding("atc", "absent", "is not on the PATH", hint)


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


def cann_version(home: Path) -> str:
    """The toolkit's version, as its installer recorded it."""
    for note in sorted(home.glob("*-linux/ascend_toolkit_install.info")):
        if match := re.search(r"^version=(.+)$", read(note), re.MULTILINE):
            return f"version {match[1].strip()}"
    return "unknown version"
