from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from inference import machine
from inference.doctor import __main__ as doctor
from inference.doctor import accelerators
from inference.doctor import checks as checkup
from inference.doctor.checks import Finding
from inference.machine import ROOT, Answer

NPU_SMI = """+------------------------------------------------------------------------+
| npu-smi 24.1.0                  Version: 24.1.0                           |
+---------------------------+---------------+------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)          |
+===========================+===============+==============================+
| 0     910B3               | OK            | 93.6        39               |
| 0                         | 0000:C1:00.0  | 0           0    / 0         |
| 1     910B3               | Alarm         | 93.6        39               |
| 0                         | 0000:C2:00.0  | 0           0    / 0         |
"""


MISSING = "raise ModuleNotFoundError(\"No module named '{}'\")\n"


@pytest.fixture(autouse=True)
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH for stand-ins; no vendor's tools, variables or folders besides."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for name in checkup.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(checkup, "ASCEND", tmp_path / "Ascend")
    return folder


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for stand-ins of modules, which Pythons that are started find first; it hides torch."""
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
        assert finding["cure"] or finding["state"] in ("ok", "absent")


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
    ("module", "code", "cure"),
    [
        ("cv2", "raise ImportError('libGL.so.1: cannot open')", "opencv-python-headless"),
        ("onnxruntime", "raise ImportError('compiled using NumPy 1.x')", "pip install -U it"),
        ("onnxruntime", "import os; os.abort()", "pip install -e ."),
    ],
)
def test_a_broken_base(module: str, code: str, cure: str, modules: Path) -> None:
    (modules / f"{module}.py").write_text(code)
    done = run_doctor()
    assert done.returncode == 1 and not done.stderr
    lines = done.stdout.splitlines()
    broken = [number for number, line in enumerate(lines) if line.startswith("broken")]
    assert broken and all(cure in lines[number + 1] for number in broken)


def test_a_provider_that_is_there_and_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "cpu": Answer(True, "a made-up lesion found"),
        "cuda": Answer(False, "error: --provider cuda: fell back to CPU; check the driver"),
        "cann": Answer(False, "error: --provider cann: is not installed; pip install it"),
        "/model.onnx": Answer(True, "found it, too"),
    }
    monkeypatch.setattr(
        checkup, "ask_python", lambda code: Answer(True, "cpu cuda cann / cpu cuda")
    )
    monkeypatch.setattr(checkup, "ask", lambda *command: said[command[-1]])
    assert list(checkup.check_inference(Path("/model.onnx"))) == [
        Finding("provider cpu", "ok", "a made-up lesion found"),
        Finding("provider cuda", "broken", "fell back to CPU", "check the driver"),
        Finding("provider cann", "absent", "is not installed", "pip install it"),
        Finding("model /model.onnx", "ok", "found it, too"),
    ]


def test_a_check_that_fails_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> Iterator[Finding]:
        yield Finding("a", "ok", "well")
        raise UnicodeError("odd")

    found = list(doctor.examine({"a": fail, "b": lambda: iter([Finding("b", "ok", "well")])}))
    assert [finding.state for finding in found] == ["ok", "broken", "ok"]
    assert "UnicodeError('odd')" in found[1].found


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["numpy>=2.0", "nosuch>=1", 'alsonot[x]>=6; extra == "app"', 'rich>1; extra == "r"']
    monkeypatch.setattr(metadata, "requires", lambda name: required)
    monkeypatch.setattr(
        metadata,
        "packages_distributions",
        lambda: {"cv2": ["opencv-python", "opencv-python-headless"]},
    )
    found = by_subject(checkup.check_packages())
    assert found["packages"].state == "broken" and "no nosuch" in found["packages"].found
    assert found["extra app"] == Finding("extra app", "absent", "no alsonot")
    assert found["extra r"].state == "ok"
    assert found["cv2"].cure.startswith("pip uninstall opencv-python opencv-python-headless;")

    # A variant will do: the module is there.
    monkeypatch.setattr(metadata, "requires", lambda name: ["opencv-python-headless>=4", "rich"])
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"cv2": ["opencv-python"]})

    def version(name: str) -> str:
        if name == "opencv-python-headless":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    found = by_subject(checkup.check_packages())
    assert found["packages"] == Finding("packages", "ok", "opencv-python 1.0, rich 1.0")

    def fail(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", fail)
    (finding,) = checkup.check_packages()
    assert finding.state == "broken" and "pip install -e ." in finding.cure


def test_a_container_with_fewer_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "usable_cores", lambda: 64)
    monkeypatch.setattr(checkup, "core_quota", lambda: 2.5)
    (finding,) = checkup.check_cores()
    assert finding.state == "note" and "limited to 2.5" in finding.found
    assert finding.cure.endswith("give --threads 2")
    monkeypatch.setattr(checkup, "core_quota", lambda: None)
    (finding,) = checkup.check_cores()
    assert finding.state == "ok"


class TestCards:
    def test_nvidia(self, path_folder: Path) -> None:
        (finding,) = accelerators.check_nvidia()
        assert finding.state == "absent"
        stand_in(path_folder, "nvidia-smi", "echo 'NVIDIA H200, 570.86, 143771 MiB'")
        (finding,) = accelerators.check_nvidia()
        assert finding == Finding("nvidia-smi", "ok", "NVIDIA H200, 570.86, 143771 MiB")
        failure = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
        stand_in(path_folder, "nvidia-smi", f'echo "{failure}"; exit 9')
        (finding,) = accelerators.check_nvidia()
        assert finding.state == "broken" and "--gpus all" in finding.cure

    def test_a_tool_that_is_no_program(self, path_folder: Path) -> None:
        (path_folder / "nvidia-smi").write_bytes(b"\x00\x01")
        (path_folder / "nvidia-smi").chmod(0o755)
        (finding,) = accelerators.check_nvidia()
        assert finding.state == "broken" and finding.cure

    def test_a_tool_that_hangs(self, path_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "MAX_SECONDS", 1)
        stand_in(path_folder, "npu-smi", "exec sleep 60")
        finding = next(accelerators.check_ascend())
        assert (finding.state, finding.found) == ("broken", "no answer within 1 s")
        assert "restart" in finding.cure

    def test_ascend(
        self, path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = by_subject(accelerators.check_ascend())
        assert [finding.state for finding in found.values()] == ["absent"] * 3

        stand_in(path_folder, "npu-smi", f"cat <<'END'\n{NPU_SMI}END")
        stand_in(path_folder, "atc", "exit 0")
        home = tmp_path / "Ascend" / "cann"
        (home / "x86_64-linux").mkdir(parents=True)
        (home / "set_env.sh").touch()
        found = by_subject(accelerators.check_ascend())
        assert found["npu-smi"].found == "910B3, 910B3, health: Alarm"
        assert found["CANN"].state == "broken"
        assert f"source {home / 'set_env.sh'}" in found["CANN"].cure
        assert found["atc"] == Finding("atc", "ok", str(path_folder / "atc"))

        monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(home))
        (home / "x86_64-linux" / "ascend_toolkit_install.info").write_text(
            "arch=x\nversion=8.5.0\n"
        )
        assert by_subject(accelerators.check_ascend())["CANN"].found == f"{home}, version 8.5.0"
        monkeypatch.setenv("ASCEND_TOOLKIT_HOME", "/gone")
        found = by_subject(accelerators.check_ascend())
        assert found["CANN"].state == "broken" and found["CANN"].found == "/gone: no such folder"


TORCH = """
import os
__version__ = "2.13.0+cpu"
if os.environ.get("TORCH_DEVICE_BACKEND_AUTOLOAD") != "0":
    {autoload}
class accelerator:
    current_accelerator = staticmethod(lambda check_available: None)
class npu:
    device_count = staticmethod(lambda: 8)
"""


class TestTorch:
    """Stand-ins, since no machine has all of it."""

    def test_its_extension_breaks_it(self, modules: Path) -> None:
        failure = "raise RuntimeError('Failed to load the backend extension: torch_npu.')"
        (modules / "torch.py").write_text(TORCH.format(autoload=failure))
        (modules / "torch_npu.py").write_text("raise ImportError('libhccl.so: cannot open')")
        torch, extension = accelerators.check_torch()
        assert torch.state == extension.state == "broken"
        assert "Failed to load the backend extension" in torch.found
        assert "TORCH_DEVICE_BACKEND_AUTOLOAD=0" in torch.cure and "set_env.sh" in torch.cure
        assert "CANN's libraries are not found" in extension.cure

    def test_both_work(self, modules: Path) -> None:
        (modules / "torch.py").write_text(TORCH.format(autoload="pass"))
        (modules / "torch_npu.py").write_text("__version__ = '2.13.0'")
        assert list(accelerators.check_torch()) == [
            Finding("torch", "ok", "2.13.0+cpu, accelerator: none"),
            Finding("extension torch_npu", "ok", "2.13.0 with torch 2.13.0+cpu, devices: 8"),
        ]

    def test_it_does_not_see_the_card(self, modules: Path, path_folder: Path) -> None:
        (modules / "torch.py").write_text(TORCH.format(autoload="pass"))
        stand_in(path_folder, "nvidia-smi", "echo 'GPU 0: H200'")
        torch, _ = accelerators.check_torch()
        assert torch.state == "note" and "though nvidia-smi answers" in torch.found

    @pytest.mark.parametrize(
        ("code", "cure"),
        [
            ("__version__ = '1.8'", "pip install -U torch"),
            ("raise OSError('libcudart.so.12: cannot open')", "CUDA's or cuDNN's libraries"),
            ("raise ImportError('undefined symbol: _ZN')", "another version of torch"),
            ("import os; os.abort()", "pip install -U torch"),
        ],
    )
    def test_it_is_broken_itself(self, code: str, cure: str, modules: Path) -> None:
        (modules / "torch.py").write_text(code)
        torch = next(accelerators.check_torch())
        assert torch.state == "broken" and cure in torch.cure

    def test_the_real_one(self) -> None:
        torch = next(accelerators.check_torch())
        assert torch.state == "ok" and torch.found.startswith(metadata.version("torch"))
