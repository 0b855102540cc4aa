"""Stand-ins for tools and modules, since no machine has all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import cann
from inference.doctor import checks
from inference.doctor.findings import Finding

MISSING = "raise ModuleNotFoundError(\"No module named '{}'\")\n"


@pytest.fixture(autouse=True)
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH for stand-ins; the real tools, variables and folders are hidden."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for name in checks.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cann, "ROOTS", (tmp_path / "Ascend", tmp_path / "home" / "Ascend"))
    return folder


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stand-ins for modules, which child processes find first; it hides torch."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "torch.py").write_text(MISSING.format("torch"))  # which takes seconds to load
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def by_subject(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}
