"""Checks of `inference.doctor`: accelerators, from outside, by what their tools and torch say."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from inference.doctor import checks as checkup
from inference.doctor.checks import SOURCE_CANN, Finding, ask_python, explain, find_set_env
from inference.machine import ask, find_chips, read

TORCH = (
    "import torch; found = torch.accelerator.current_accelerator(check_available=True); "
    "print(torch.__version__ + ', accelerator:', found.type if found else 'none')"
)
TORCH_NPU = (
    "import torch_npu, torch; print(torch_npu.__version__, 'with torch', "
    "torch.__version__ + ', devices:', torch.npu.device_count())"
)
ALONE = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}  # torch without the extensions it loads by itself


def check_torch() -> Iterator[Finding]:
    """Torch, which training and export need, and its extension for Ascend."""
    answer = ask_python(TORCH)
    if answer.ok:
        yield from compare_with_cards(answer.said)
    elif "No module named 'torch'" in answer.said:
        cure = "training and export need it; pip install -e '.[train,export]'"
        yield Finding("torch", "absent", "is not installed", cure)
        return
    elif ask_python(TORCH, **ALONE).ok:
        cure = (
            "torch is whole; an extension that it loads by itself is not, most often torch_npu without "
            f"CANN; {SOURCE_CANN.format(find_set_env())}, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0, which "
            "keeps extensions out, or pip uninstall torch_npu"
        )
        yield Finding("torch", "broken", answer.said, cure)
    else:
        yield Finding("torch", "broken", answer.said, explain(answer, "pip install -U torch"))
    yield check_extension()


def check_extension() -> Finding:
    """Torch's extension for Ascend, loaded by name."""
    subject, answer = "extension torch_npu", ask_python(TORCH_NPU, **ALONE)
    if answer.ok:
        return Finding(subject, "ok", answer.said)
    if "No module named 'torch_npu'" in answer.said:
        return Finding(subject, "absent", "is not installed", "only machines with CANN need it")
    cure = f"{SOURCE_CANN.format(find_set_env())}, and keep the versions of the extra npu"
    return Finding(subject, "broken", answer.said, explain(answer, cure))


def compare_with_cards(torch: str) -> Iterator[Finding]:
    """Torch's own finding; a note where the machine has accelerators that torch does not see."""
    tools = {"nvidia-smi": ("-L",), "npu-smi": ("info",)}
    seen = [tool for tool, arguments in tools.items() if ask(tool, *arguments).ok]
    if seen and torch.endswith("none"):
        cure = "it trains on the CPU; install the build of torch, or torch_npu, for the accelerator"
        yield Finding("torch", "note", f"{torch}, though {seen[0]} answers", cure)
    else:
        yield Finding("torch", "ok", torch)


def check_nvidia() -> Iterator[Finding]:
    """NVIDIA's driver and cards."""
    fields = "--query-gpu=name,driver_version,memory.total"
    yield look_for(
        "nvidia-smi", lambda said: "; ".join(said.splitlines()), fields, "--format=csv,noheader"
    )


def check_ascend() -> Iterator[Finding]:
    """Ascend's cards, toolkit and compiler."""

    def name_chips(said: str) -> str:
        ill = re.findall(r"\|\s*(Warning|Alarm|Critical)\s*\|", said)
        return ", ".join([*find_chips(said), *(f"health: {state}" for state in ill)]) or "no chip"

    yield look_for("npu-smi", name_chips, "info")
    home = os.environ.get("ASCEND_TOOLKIT_HOME", "")
    if home and not Path(home).is_dir():
        cure = f"ASCEND_TOOLKIT_HOME is wrong; {SOURCE_CANN.format(find_set_env())}"
        yield Finding("CANN", "broken", f"{home}: no such folder", cure)
    elif home:
        yield Finding("CANN", "ok", f"{home}, {cann_version(Path(home))}")
    elif checkup.ASCEND.is_dir():
        cure = f"its environment is not set; {SOURCE_CANN.format(find_set_env())}"
        yield Finding(
            "CANN", "broken", f"{checkup.ASCEND} is there, ASCEND_TOOLKIT_HOME is not set", cure
        )
    else:
        yield Finding(
            "CANN", "absent", "is not installed", "only Ascend devices and export.to_om need it"
        )
    compiler = shutil.which("atc")
    cure = f"export.to_om needs it; install CANN, and {SOURCE_CANN.format(find_set_env())}"
    if compiler:
        yield Finding("atc", "ok", compiler)
    else:
        yield Finding("atc", "absent", "is not on the PATH", cure)


def look_for(tool: str, summarise: Callable[[str], str], *arguments: str) -> Finding:
    """What a vendor's tool says of the machine's cards."""
    if not shutil.which(tool):
        return Finding(
            tool, "absent", "is not on the PATH", "only machines with such cards need it"
        )
    answer = ask(tool, *arguments)
    if answer.ok:
        return Finding(tool, "ok", summarise(answer.said))
    return Finding(
        tool, "broken", answer.said, explain(answer, "check the driver: dmesg, its version")
    )


def cann_version(home: Path) -> str:
    """The toolkit's version, from what its installer left."""
    for note in sorted(home.glob("*-linux/ascend_toolkit_install.info")):
        if match := re.search(r"^version=(.+)$", read(note), re.MULTILINE):
            return f"version {match[1].strip()}"
    return "of unknown version"
