"""Checks of `inference.doctor`: Python, packages, machine, and every provider on a made-up lesion.

Whatever loads other people's libraries runs in a process of its own, so that a crash is a finding.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from inference.doctor.findings import Finding, ask_python, explain
from inference.machine import ask, core_quota, memory, processor, usable_cores
from inference.version import PROJECT

# Packages with variants, such as onnxruntime-gpu -> the module that all variants provide.
VARIANTS = {"onnxruntime": "onnxruntime", "opencv-python-headless": "cv2"}
VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES"),
    *("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH", "TORCH_DEVICE_BACKEND_AUTOLOAD"),
    *("PYTHONPATH", "LD_LIBRARY_PATH"),
)
INSTALL = "make setup, or pip install -e ."
LIST_PROVIDERS = (
    "from typing import get_args; "
    "from inference.runtime.providers import Provider; "
    "from inference.runtime.session import installed_providers; "
    "print(*get_args(Provider)[1:], '/', *installed_providers())"
)


def check_python() -> Iterator[Finding]:
    """The interpreter, the system, and environment variables that matter."""
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Finding("system", "ok", platform.platform())
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    yield Finding("environment", "ok", " ".join(given) or "no relevant variables are set")


def check_packages() -> Iterator[Finding]:
    """Versions of the packages that the project requires, by extra."""
    try:
        required = metadata.requires(PROJECT) or []
        yield Finding("project", "ok", f"{PROJECT} {metadata.version(PROJECT)}")
    except metadata.PackageNotFoundError:
        yield Finding("project", "broken", "is not installed here", INSTALL)
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
        if extra:
            yield Finding(f"extra {extra}", "absent" if missing else "ok", found)
        else:
            hint = INSTALL if missing else ""
            yield Finding("packages", "broken" if missing else "ok", found, hint)
    yield from check_rivals(owners)


def find_package(name: str, owners: Mapping[str, list[str]]) -> str:
    """Name and version of a package, or of the variant that is installed; empty if there is none."""
    for candidate in (name, *owners.get(VARIANTS.get(name, ""), [])):
        try:
            return f"{candidate} {metadata.version(candidate)}"
        except metadata.PackageNotFoundError:
            continue
    return ""


def check_jpeg() -> Iterator[Finding]:
    """Whether damage inside JPEG files is noticed."""
    if find_spec("simplejpeg") is None:
        found = "damage inside a JPEG file is not noticed: grey or noise is segmented"
        yield Finding("damaged JPEG", "note", found, "pip install -e '.[jpeg]'")


def check_rivals(owners: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Variants that provide the same module: the one installed last has overwritten the others."""
    for module in VARIANTS.values():
        if len(rivals := sorted(set(owners.get(module, [])))) > 1:
            hint = f"pip uninstall {' '.join(rivals)}; then install the one you want"
            found = f"comes from {' and '.join(rivals)} at the same time"
            yield Finding(module, "broken", found, hint)


def check_cores() -> Iterator[Finding]:
    """Processor and cores, and whether a container limits them."""
    usable, quota = usable_cores(), core_quota()
    found = f"{processor()}, {usable} of {os.cpu_count()} cores"
    if quota is not None and quota < usable:
        # Runtimes start one thread per core, whatever the quota.
        hint = f"more threads only wait for each other; give --threads {max(1, int(quota))}"
        yield Finding("processor", "note", f"{found}, in a container limited to {quota:g}", hint)
    else:
        yield Finding("processor", "ok", found)


def check_memory() -> Iterator[Finding]:
    """Memory of the machine, and the container's limit."""
    if sizes := memory():
        whole, limit = (f"{size / 2**30:.1f} GiB" if size else "" for size in sizes)
        yield Finding("memory", "ok", f"{whole}, limited to {limit}" if limit else whole)


def check_inference(model: Path) -> Iterator[Finding]:
    """Runs every provider with a made-up network, then `model`."""
    answer = ask_python(LIST_PROVIDERS)
    if not answer.ok:
        yield Finding("inference", "broken", answer.said, explain(answer, "pip install -e ."))
        return
    known, installed = (names.split() for names in answer.said.split("/"))
    for provider in known:
        required = provider in installed
        yield run_selftest(f"provider {provider}", required, "--provider", provider)
    yield run_selftest(f"model {model}", True, "--model", str(model.absolute()))


def run_selftest(subject: str, required: bool, *arguments: str) -> Finding:
    """Runs `inference.doctor.selftest`; a failure is broken if it is required, else absent."""
    answer = ask(sys.executable, "-m", "inference.doctor.selftest", *arguments)
    if answer.ok:
        return Finding(subject, "ok", answer.said)
    # The project's own errors end with the fix.
    reason, _, fix = answer.said.removeprefix("error: ").rpartition("; ")
    hint = explain(answer, fix if reason else "make setup, or pip install --force-reinstall -e .")
    found = (reason or answer.said).removeprefix(f"--{subject}: ")
    return Finding(subject, "broken" if required else "absent", found, hint)
