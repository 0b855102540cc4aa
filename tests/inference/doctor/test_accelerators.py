"""GPUs, NPUs and torch, by what their tools print."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from inference import machine
from inference.doctor import accelerators
from inference.doctor.findings import Finding
from tests.inference.doctor.conftest import stand_in


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
        assert finding.state == "broken" and "--gpus all" in finding.hint

    def test_a_tool_that_is_no_program(self, path_folder: Path) -> None:
        (path_folder / "nvidia-smi").write_bytes(b"\x00\x01")
        (path_folder / "nvidia-smi").chmod(0o755)
        (finding,) = accelerators.check_nvidia()
        assert finding.state == "broken" and finding.hint

    def test_a_tool_that_hangs(self, path_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "MAX_SECONDS", 1)
        stand_in(path_folder, "nvidia-smi", "exec sleep 60")
        finding = next(accelerators.check_nvidia())
        assert (finding.state, finding.found) == ("broken", "no answer within 1 s")
        assert "restart" in finding.hint


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
        assert "TORCH_DEVICE_BACKEND_AUTOLOAD=0" in torch.hint and "set_env.sh" in torch.hint
        assert "CANN's libraries are not found" in extension.hint

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
        ("code", "hint"),
        [
            ("__version__ = '1.8'", "pip install -U torch"),
            ("raise OSError('libcudart.so.12: cannot open')", "CUDA's or cuDNN's libraries"),
            ("raise ImportError('undefined symbol: _ZN')", "another version of torch"),
            ("import os; os.abort()", "pip install -U torch"),
        ],
    )
    def test_it_is_broken_itself(self, code: str, hint: str, modules: Path) -> None:
        (modules / "torch.py").write_text(code)
        torch = next(accelerators.check_torch())
        assert torch.state == "broken" and hint in torch.hint

    def test_the_real_one(self) -> None:
        torch = next(accelerators.check_torch())
        assert torch.state == "ok" and torch.found.startswith(metadata.version("torch"))
