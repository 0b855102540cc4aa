"""Looks at everything that the project leans on, and says what is broken and what mends it.

python -m inference.doctor
python -m inference.doctor --model model.onnx --json doctor.json
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from inference.cli import run
from inference.doctor import accelerators
from inference.doctor import checks as checkup
from inference.doctor.checks import Finding
from inference.files import replacing
from inference.models import SHIPPED


def doctor(
    model: Path = SHIPPED,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Check packages, machine, providers and toolkits; each line can go into a bug report as it is.

    Needs the base dependencies alone. A part is ok, absent (one can do without it), broken, or has a
    note; below it stands the likely cause and the cure. Exit code: 0 if segmentation works on the CPU,
    and with the model, else 1.

    Args:
        model: Model file to try; the one that ships if left out.
        json_file: Where to write the findings as JSON.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # other programs' words in any alphabet
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "python": checkup.check_python,
        "packages": checkup.check_packages,
        "processor": checkup.check_cores,
        "memory": checkup.check_memory,
        "inference": partial(checkup.check_inference, model),
        "nvidia-smi": accelerators.check_nvidia,
        "torch": accelerators.check_torch,
        "ascend": accelerators.check_ascend,
    }
    console = Console(highlight=False, soft_wrap=True)
    findings = []
    for finding in examine(checks):
        console.print(show(finding), markup=False)
        findings.append(finding)
    works = segments(findings, model)
    console.print(f"\nsegmentation {'works' if works else 'does NOT work'} here", markup=False)
    if json_file:
        entries = {"works": works, "findings": [finding._asdict() for finding in findings]}
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    return 0 if works else 1


def examine(checks: dict[str, Callable[[], Iterator[Finding]]]) -> Iterator[Finding]:
    """Yields what the checks find, one by one; a check that fails itself is a finding."""
    for subject, check in checks.items():
        try:
            yield from check()
        except Exception as error:  # whatever it is, the other checks are still worth having
            yield Finding(subject, "broken", f"the check failed: {error!r}", "please report it")


def segments(findings: Iterable[Finding], model: Path) -> bool:
    """True if the CPU and the model came through their trials."""
    worked = {finding.subject for finding in findings if finding.state == "ok"}
    return {"provider cpu", f"model {model}"} <= worked


def show(finding: Finding) -> str:
    """A finding as text: a line, and one for the cure."""
    lines = [f"{finding.state:<6}  {finding.subject}: {finding.found}"]
    return "\n".join([*lines, *([f"        -> {finding.cure}"] if finding.cure else [])])


if __name__ == "__main__":
    run(doctor)
