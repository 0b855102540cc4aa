"""Checks everything that the project depends on, and says what is broken and how to fix it.

python -m inference.doctor
python -m inference.doctor --model model.onnx --json doctor.json
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from inference.cli import JsonFile, ModelOption, run, say
from inference.doctor import accelerators, ascend, checks
from inference.doctor.findings import Finding
from inference.files import write_json
from inference.models import SHIPPED

Check = Callable[[], Iterator[Finding]]


def doctor(model: ModelOption = SHIPPED, json_file: JsonFile = None) -> int:
    """Check packages, machine, providers and toolkits; paste the whole output into bug reports.

    Needs only the base dependencies. Each line says ok, absent (and optional), broken, or note; the
    likely cause and the fix follow below it. Exit code: 0 if segmentation works on the CPU and with the
    model, else 1.
    """
    findings = []
    for finding in examine(
        {
            "python": checks.check_python,
            "packages": checks.check_packages,
            "damaged JPEG": checks.check_jpeg,
            "processor": checks.check_cores,
            "memory": checks.check_memory,
            "inference": partial(checks.check_inference, model),
            "nvidia-smi": accelerators.check_nvidia,
            "torch": accelerators.check_torch,
            "ascend": ascend.check_ascend,
        }
    ):
        say(to_text(finding))
        findings.append(finding)
    works = can_segment(findings, model)
    say(f"\nsegmentation {'works' if works else 'does NOT work'} here")
    if json_file:
        entries = {"works": works, "findings": [finding._asdict() for finding in findings]}
        write_json(json_file, entries, indent=2)
    return 0 if works else 1


def examine(checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Yields the findings of all checks; a check that fails is a finding itself."""
    for subject, check in checks.items():
        try:
            yield from check()
        except Exception as error:  # of any kind: the other checks still run
            yield Finding(subject, "broken", f"the check failed: {error!r}", "please report it")


def can_segment(findings: Iterable[Finding], model: Path) -> bool:
    """True if the self-tests of the CPU and of the model passed."""
    passed = {finding.subject for finding in findings if finding.state == "ok"}
    return {"provider cpu", f"model {model}"} <= passed


def to_text(finding: Finding) -> str:
    """One line, and one for the hint if there is one."""
    line = f"{finding.state:<6}  {finding.subject}: {finding.found}"
    return f"{line}\n        -> {finding.hint}" if finding.hint else line


if __name__ == "__main__":
    run(doctor)
