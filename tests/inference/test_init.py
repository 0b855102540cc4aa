"""What `import inference` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import inference

HEAVY = {"numpy", "cv2", "onnxruntime", "tyro", "rich"}


def run(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    assert not run("import inference, sys; print(*sys.modules)") & HEAVY


def test_using_it_loads_what_is_needed_and_no_command_line() -> None:
    loaded = run("from inference import load; import sys; load(); print(*sys.modules)")
    assert {"cv2", "onnxruntime"} <= loaded and not {"tyro", "rich"} & loaded


def test_training_needs_no_runtime_of_inference() -> None:
    assert "onnxruntime" not in run("import training.train, sys; print(*sys.modules)")


def test_the_runtime_reports_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps a file for that among the temporary ones."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert "onnxruntime" in run(
        "from inference import load; import sys; load(); print(*sys.modules)"
    )
    assert not list(tmp_path.iterdir())


def test_what_is_exported() -> None:
    assert set(inference.__all__) == {"Contract", "Segmentation", "Segmenter", "load"}
    for name in inference.__all__:
        assert getattr(inference, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        inference.lod  # noqa: B018


def test_five_lines(tmp_path: Path) -> None:
    photo = next((Path(__file__).parents[2] / "app" / "examples").glob("*.jpg"))
    code = f"from inference import load; print(load().segment({str(photo)!r}).mask.any())"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
