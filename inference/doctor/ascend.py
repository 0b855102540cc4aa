"""Checks of `inference.doctor`: Ascend's driver, toolkit and compiler, and whether they fit together."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata

from inference.cann import (
    ROOTS,
    cann_version,
    driver_version,
    find_set_env,
    source_cann,
    toolkit_home,
)
from inference.doctor.findings import Finding, query_tool
from inference.doctor.versions import Installed, find_misfits, refuses_numpy
from inference.machine import ask, find_chips

# What CANN's compiler imports, as its installation guide lists it: module -> package.
ATC_MODULES = {
    **{name: name for name in ("numpy", "decorator", "sympy", "scipy", "psutil", "cffi")},
    "attr": "attrs",
    "absl": "absl-py",
    "google.protobuf": "protobuf",
    "yaml": "pyyaml",
}
ASK_MODULES = f"""
import importlib.util as u, sys
def lacks(name):
    try: return u.find_spec(name) is None
    except ImportError: return True
print(sys.version.split()[0], *[n for n in {tuple(ATC_MODULES)} if lacks(n)], sep=',', end=' ')
import numpy; print(numpy.__version__)
"""


def check_ascend() -> Iterator[Finding]:
    """Ascend's NPUs, toolkit and compiler, then their versions."""

    def name_chips(said: str) -> str:
        unhealthy = re.findall(r"\|\s*(Warning|Alarm|Critical)\s*\|", said)
        return (
            ", ".join([*find_chips(said), *(f"health: {state}" for state in unhealthy)])
            or "no chip"
        )

    chips = query_tool("npu-smi", name_chips, "info")
    yield chips
    yield check_toolkit()
    found = installed(driver_answers=chips.state == "ok")
    compiler = shutil.which("atc")
    if compiler:
        yield Finding("atc", "ok", compiler)
        yield check_atc_python(found)
    else:
        hint = f"export.to_om needs it; install CANN, and {source_cann()}"
        yield Finding("atc", "absent", "is not on the PATH", hint)
    yield from check_versions(found)


def check_toolkit() -> Finding:
    """CANN, and whether its environment is set up."""
    home, script = toolkit_home(), find_set_env()
    if home and not home.is_dir():
        hint = f"ASCEND_TOOLKIT_HOME is wrong; {source_cann()}"
        return Finding("CANN", "broken", f"{home}: no such folder", hint)
    if home:
        version = cann_version(home)
        found = f"{home}, {f'version {version}' if version else 'unknown version'}"
        return Finding("CANN", "ok", found)
    if script:
        hint = f"its environment is not set up; {source_cann()}"
        return Finding("CANN", "broken", f"{script} exists but has not been sourced", hint)
    hint = "only Ascend devices and export.to_om need it"
    return Finding("CANN", "absent", f"not in {' or '.join(map(str, ROOTS))}", hint)


def check_versions(found: Installed) -> Iterator[Finding]:
    """Whether driver, CANN, torch_npu, torch and Python are a published set."""
    subject = "ascend versions"
    known = (
        found.driver and f"driver {found.driver}",
        found.cann and f"CANN {found.cann}",
        found.extension and f"torch_npu {found.extension}",
        found.torch and f"torch {found.torch}",
    )
    if not (found.driver or found.cann or found.extension):
        yield Finding(subject, "absent", "no driver, CANN or torch_npu is installed")
        return
    misfits = list(find_misfits(found))
    for misfit, fix in misfits:
        yield Finding(subject, "broken", misfit, f"{fix}; docs/ascend.md has the table")
    if refuses_numpy(found):
        yield Finding(
            subject,
            "note",
            f"CANN {found.cann} needs NumPy below 2 for its compiler, not {found.numpy}",
            "training works unless it compiles operators; give export.to_om another Python with "
            "--python; CANN 9.0 and later support NumPy 2",
        )
    elif not misfits:
        yield Finding(subject, "ok", f"{', '.join(filter(None, known))}: compatible")


def check_atc_python(found: Installed) -> Finding:
    """The Python that atc would run, the first python3 on the PATH, and what its compiler imports."""
    subject, answer = "python of atc", ask("python3", "-c", ASK_MODULES)
    python = shutil.which("python3") or "python3"
    hint = (
        "make an environment of its own, pip install 'numpy<2' decorator sympy scipy attrs psutil "
        "absl-py cffi protobuf pyyaml there, and give its Python to export.to_om --python"
    )
    if not answer.ok:
        return Finding(subject, "note", f"{python}: {answer.said}", hint)
    said, _, numpy = answer.said.partition(" ")
    version, *missing = said.split(",")
    if missing:
        names = ", ".join(ATC_MODULES[name] for name in missing)
        return Finding(subject, "note", f"{python} lacks {names}", hint)
    if refuses_numpy(found._replace(python=version, numpy=numpy)):
        return Finding(
            subject, "note", f"{python} has NumPy {numpy}; this CANN needs NumPy below 2", hint
        )
    return Finding(subject, "ok", f"{python}, {version} with NumPy {numpy}")


def installed(driver_answers: bool) -> Installed:
    """The versions on this machine, without importing what may not import.

    Args:
        driver_answers: npu-smi works; one that hangs is not asked again.
    """
    home, script = toolkit_home(), find_set_env()
    places = [home] if home else [script.parent, script.parent / "latest"] if script else []
    cann = next(filter(None, map(cann_version, places)), "")
    table = ask("npu-smi", "info").said if driver_answers else ""
    return Installed(
        driver=driver_version(table),
        cann=cann,
        extension=package_version("torch-npu"),
        torch=package_version("torch"),
        python=platform.python_version(),
        numpy=package_version("numpy"),
    )


def package_version(name: str) -> str:
    """The version of an installed package; empty if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
