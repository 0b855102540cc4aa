"""Checks of `inference.doctor`: Python, packages, machine, and every provider on a made-up lesion.

Whatever loads foreign libraries does so in a process of its own: one that breaks takes nothing with it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from inference.machine import (
    Answer,
    ask,
    core_quota,
    memory,
    processor,
    usable_cores,
)

PROJECT = "attention-unet"
# Packages that come in variants, such as onnxruntime-gpu -> the module that all variants provide.
VARIANTS = {"onnxruntime": "onnxruntime", "opencv-python-headless": "cv2"}
ASCEND = Path("/usr/local/Ascend")
VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES"),
    *("ASCEND_TOOLKIT_HOME", "TORCH_DEVICE_BACKEND_AUTOLOAD", "PYTHONPATH", "LD_LIBRARY_PATH"),
)
SOURCE_CANN = "run `source {}` in this shell first"
# What an error message says -> its likely cause, and the cure.
CURES = {
    r"libGL\.so|libgthread": "opencv-python wants a display's libraries; pip uninstall opencv-python, "
    "then pip install --force-reinstall opencv-python-headless",
    r"NumPy 1\.|numpy\.core|_ARRAY_API": "a package was built for another NumPy; pip install -U it",
    r"GLIBC|CXXABI": "the system is older than the package; use a newer one, or a container",
    r"lib(ascend|hccl|acl|graph|ge_)\w*\.so": f"CANN's libraries are not found; {SOURCE_CANN}",
    r"lib(cu|nv)\w+\.so": "CUDA's or cuDNN's libraries are not found; pip install "
    "'onnxruntime-gpu[cuda,cudnn]', or the versions that the package was built for",
    r"undefined symbol": "a package was built for another version of torch; install the pair that "
    "pyproject.toml's extra npu names",
    r"communicate with the NVIDIA driver|driver version": "the driver is not loaded, or not the one of "
    "this kernel; reinstall it or restart, and start containers with --gpus all",
    r"attribute 'accelerator'|check_available": "torch is older than the project needs; "
    "pip install -U torch",
    r"no answer within": "a driver or device hangs; end what else uses it, or restart the machine",
}

State = Literal["ok", "note", "absent", "broken"]


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        state: ok; note, it works but costs something; absent, a part that one can do without; broken.
        cure: what to do about it, with the likely cause.
    """

    subject: str
    state: State
    found: str
    cure: str = ""


def check_python() -> Iterator[Finding]:
    """The interpreter and the system."""
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Finding("system", "ok", platform.platform())
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    yield Finding(
        "environment", "ok", " ".join(given) or "none of the variables that matter is set"
    )


def check_packages() -> Iterator[Finding]:
    """The packages that the project names, by extra, with their versions."""
    try:
        required = metadata.requires(PROJECT) or []
        yield Finding("project", "ok", f"{PROJECT} {metadata.version(PROJECT)}")
    except metadata.PackageNotFoundError:
        yield Finding(
            "project", "broken", "is not installed here", "make setup, or pip install -e ."
        )
        return
    owners = metadata.packages_distributions()
    extras: dict[str, dict[str, str]] = defaultdict(dict)
    for requirement in required:
        name = re.split(r"[^\w.-]", requirement)[0]
        named = re.search(r"extra == ['\"](\w+)", requirement)
        extras[named[1] if named else ""][name] = find_package(name, owners)
    for extra, packages in extras.items():
        missing = [name for name, package in packages.items() if not package]
        found = ", ".join(package or f"no {name}" for name, package in packages.items())
        if not extra:
            cure = "make setup, or pip install -e ." if missing else ""
            yield Finding("packages", "broken" if missing else "ok", found, cure)
        else:
            yield Finding(f"extra {extra}", "absent" if missing else "ok", found)
    yield from check_rivals(owners)


def find_package(name: str, owners: Mapping[str, list[str]]) -> str:
    """Name and version of a package or of its variant that is installed; empty if there is none."""
    for candidate in (name, *owners.get(VARIANTS.get(name, ""), [])):
        try:
            return f"{candidate} {metadata.version(candidate)}"
        except metadata.PackageNotFoundError:
            continue
    return ""


def check_rivals(owners: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Variants that write the same module: the one that came last has overwritten the other."""
    for module in VARIANTS.values():
        if len(rivals := sorted(set(owners.get(module, [])))) > 1:
            cure = f"pip uninstall {' '.join(rivals)}; then install the one that is wanted"
            yield Finding(module, "broken", f"comes from {' and '.join(rivals)} at once", cure)


def check_cores() -> Iterator[Finding]:
    """Processor, cores, and what limits them."""
    usable, quota = usable_cores(), core_quota()
    found = f"{processor()}, {usable} of {os.cpu_count()} cores"
    if quota is not None and quota < usable:
        # Runtimes start a thread a core and do not ask for the quota.
        cure = f"threads beyond it wait for each other; give --threads {max(1, int(quota))}"
        yield Finding("processor", "note", f"{found}, in a container limited to {quota:g}", cure)
    else:
        yield Finding("processor", "ok", found)


def check_memory() -> Iterator[Finding]:
    """Memory of the machine and of the container."""
    if sizes := memory():
        whole, limit = (f"{size / 2**30:.1f} GiB" if size else "" for size in sizes)
        yield Finding("memory", "ok", f"{whole}, limited to {limit}" if limit else whole)


def check_inference(model: Path) -> Iterator[Finding]:
    """Every provider, on a made-up lesion with a network of one convolution, and with `model`."""
    listing = (
        "from typing import get_args; "
        "from inference.runtime.session import Provider, installed_providers; "
        "print(*get_args(Provider)[1:], '/', *installed_providers())"
    )
    answer = ask_python(listing)
    if not answer.ok:
        yield Finding("inference", "broken", answer.said, explain(answer, "pip install -e ."))
        return
    known, installed = (names.split() for names in answer.said.split("/"))
    for provider in known:
        yield try_out(f"provider {provider}", provider in installed, "--provider", provider)
    yield try_out(f"model {model}", True, "--model", str(model.absolute()))


def try_out(subject: str, must: bool, *arguments: str) -> Finding:
    """Runs `inference.doctor.selftest` in its own process; what need not work is absent."""
    answer = ask(sys.executable, "-m", "inference.doctor.selftest", *arguments)
    if answer.ok:
        return Finding(subject, "ok", answer.said)
    # Errors of the project end with their cure.
    reason, _, cure = answer.said.removeprefix("error: ").rpartition("; ")
    cure = explain(answer, cure if reason else "make setup, or pip install --force-reinstall -e .")
    found = (reason or answer.said).removeprefix(f"--{subject}: ")
    return Finding(subject, "broken" if must else "absent", found, cure)


def find_set_env() -> Path:
    """CANN's set_env.sh, where it lies or, if it is not there, where it would."""
    found = sorted([*ASCEND.glob("*/set_env.sh"), *ASCEND.glob("*/*/set_env.sh")])
    return found[0] if found else ASCEND / "cann" / "set_env.sh"


def ask_python(code: str, **variables: str) -> Answer:
    """Runs code in a Python of its own."""
    return ask(sys.executable, "-c", code, **variables)


def explain(answer: Answer, otherwise: str) -> str:
    """The cure of a known error, with its cause; `otherwise` for an unknown one."""
    for pattern, cure in CURES.items():
        if re.search(pattern, answer.said):
            return cure.format(find_set_env())
    return otherwise
