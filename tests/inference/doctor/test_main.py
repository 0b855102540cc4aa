"""The command as people run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from inference.doctor.__main__ import examine
from inference.doctor.findings import Finding
from inference.machine import ROOT
from tests.inference.doctor.conftest import MISSING


def run_doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inference.doctor", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_whole_machine(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "doctor.json"
    done = run_doctor("--model", str(model), "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr and done.stdout.endswith("segmentation works here\n")
    entries = json.loads(report.read_text())
    found = {finding["subject"]: finding for finding in entries["findings"]}
    assert entries["works"]
    assert found["provider cpu"]["state"] == found[f"model {model}"]["state"] == "ok"
    assert "input 64 x 64, threshold 0.5" in found[f"model {model}"]["found"]
    assert f"numpy {metadata.version('numpy')}" in found["packages"]["found"]
    for finding in found.values():
        assert f"{finding['state']:<6}  {finding['subject']}: {finding['found']}\n" in done.stdout
        assert finding["hint"] or finding["state"] in ("ok", "absent")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such model file"), (b"no model", "onnxruntime cannot open it on cpu")],
)
def test_a_model_that_does_not_run(
    content: bytes | None, message: str, tmp_path: Path, modules: Path
) -> None:
    model = tmp_path / "model.onnx"
    if content:
        model.write_bytes(content)
    done = run_doctor("--model", str(model))
    assert done.returncode == 1 and done.stdout.endswith("segmentation does NOT work here\n")
    assert f"broken  model {model}: {model}: {message}" in done.stdout
    assert "\n        -> " in done.stdout.split(message)[1]


@pytest.mark.parametrize("missing", ["torch", "gradio", "openvino", "onnx"])
def test_what_one_can_do_without(missing: str, modules: Path) -> None:
    (modules / f"{missing}.py").write_text(MISSING.format(missing))
    done = run_doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok      provider cpu" in done.stdout
    if missing == "torch":
        assert "absent  torch: is not installed\n        -> training and export" in done.stdout


@pytest.mark.parametrize(
    ("module", "code", "hint"),
    [
        ("cv2", "raise ImportError('libGL.so.1: cannot open')", "opencv-python-headless"),
        ("onnxruntime", "raise ImportError('compiled using NumPy 1.x')", "pip install -U it"),
        ("numpy", "raise ImportError('numpy.core.multiarray failed')", "pip install -U it"),
        ("onnxruntime", "import os; os.abort()", "pip install -e ."),
    ],
)
def test_a_broken_base(module: str, code: str, hint: str, modules: Path) -> None:
    (modules / f"{module}.py").write_text(code)
    done = run_doctor()
    assert done.returncode == 1 and not done.stderr
    lines = done.stdout.splitlines()
    broken = [number for number, line in enumerate(lines) if line.startswith("broken")]
    assert broken and all(hint in lines[number + 1] for number in broken)


def test_a_check_that_fails_is_a_finding() -> None:
    def fail() -> Iterator[Finding]:
        yield Finding("a", "ok", "well")
        raise UnicodeError("odd")

    found = list(examine({"a": fail, "b": lambda: iter([Finding("b", "ok", "well")])}))
    assert [finding.state for finding in found] == ["ok", "broken", "ok"]
    assert "UnicodeError('odd')" in found[1].found
