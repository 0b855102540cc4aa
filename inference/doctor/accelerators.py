"""Checks of `inference.doctor`: accelerators, as NVIDIA's tools and torch see them."""

from __future__ import annotations

from collections.abc import Iterator

from inference.cann import source_cann
from inference.doctor.findings import Finding, ask_python, explain, query_tool
from inference.machine import ask

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
