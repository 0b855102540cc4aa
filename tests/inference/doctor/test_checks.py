"""Packages, cores and providers of machines that are not this one."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from inference.doctor import checks
from inference.doctor.findings import Finding
from inference.machine import Answer
from tests.inference.doctor.conftest import by_subject


def test_a_provider_that_is_there_and_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "cpu": Answer(True, "a made-up lesion found"),
        "cuda": Answer(False, "error: --provider cuda: fell back to CPU; check the driver"),
        "cann": Answer(False, "error: --provider cann: is not installed; pip install it"),
        "/model.onnx": Answer(True, "found it, too"),
    }
    monkeypatch.setattr(checks, "ask_python", lambda code: Answer(True, "cpu cuda cann / cpu cuda"))
    monkeypatch.setattr(checks, "ask", lambda *command: said[command[-1]])
    assert list(checks.check_inference(Path("/model.onnx"))) == [
        Finding("provider cpu", "ok", "a made-up lesion found"),
        Finding("provider cuda", "broken", "fell back to CPU", "check the driver"),
        Finding("provider cann", "absent", "is not installed", "pip install it"),
        Finding("model /model.onnx", "ok", "found it, too"),
    ]


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["numpy>=2.0", "nosuch>=1", 'alsonot[x]>=6; extra == "app"', 'rich>1; extra == "r"']
    monkeypatch.setattr(metadata, "requires", lambda name: required)
    monkeypatch.setattr(
        metadata,
        "packages_distributions",
        lambda: {"cv2": ["opencv-python", "opencv-python-headless"]},
    )
    found = by_subject(checks.check_packages())
    assert found["packages"].state == "broken" and "no nosuch" in found["packages"].found
    assert found["extra app"] == Finding("extra app", "absent", "no alsonot")
    assert found["extra r"].state == "ok"
    assert found["cv2"].hint.startswith("pip uninstall opencv-python opencv-python-headless;")

    # A variant will do: the module is there.
    monkeypatch.setattr(metadata, "requires", lambda name: ["opencv-python-headless>=4", "rich"])
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"cv2": ["opencv-python"]})

    def version(name: str) -> str:
        if name == "opencv-python-headless":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    found = by_subject(checks.check_packages())
    assert found["packages"] == Finding("packages", "ok", "opencv-python 1.0, rich 1.0")

    def fail(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", fail)
    (finding,) = checks.check_packages()
    assert finding.state == "broken" and "pip install -e ." in finding.hint


def test_a_container_with_fewer_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "usable_cores", lambda: 64)
    monkeypatch.setattr(checks, "core_quota", lambda: 2.5)
    (finding,) = checks.check_cores()
    assert finding.state == "note" and "limited to 2.5" in finding.found
    assert finding.hint.endswith("give --threads 2")
    monkeypatch.setattr(checks, "core_quota", lambda: None)
    (finding,) = checks.check_cores()
    assert finding.state == "ok"
