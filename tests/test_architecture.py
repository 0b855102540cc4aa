"""The rules of the house: who may import whom, and where a word may stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "inference": {"inference"},
    "training": {"training", "inference"},
    "export": {"export", "training", "inference"},
    "app": {"app", "inference"},
}
DEVICE_WORDS = {"cuda", "npu", "nccl", "hccl", "torch_npu"}
DEVICE_HOME = {"training": "device.py", "inference": "providers.py"}


def modules(layer: str) -> list[Path]:
    found = sorted((ROOT / layer).rglob("*.py"))
    assert found, layer
    return found


def imports(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str) -> None:
    for path in modules(layer):
        ours = set(imports(path)) & LAYERS.keys()
        assert ours <= LAYERS[layer], f"{path.relative_to(ROOT)} imports {ours - LAYERS[layer]}"
        assert "tests" not in imports(path)


def test_torch_stays_out_of_inference() -> None:
    for layer in ("inference", "app"):
        for path in modules(layer):
            assert not {"torch", "torch_npu", "onnx"} & set(imports(path)), path


def test_segmenting_never_loads_torch(data: Path, model: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from inference.evaluate import evaluate
from inference.batch.options import SegmentOptions
from inference.segment import segment
options = SegmentOptions(Path({str(model)!r}), Path({str(tmp_path)!r}))
assert segment([{str(data / "test")!r}], options) == 0
evaluate(Path({str(data / "test")!r}), Path({str(data / "test_GT")!r}), model=Path({str(model)!r}))
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "onnxruntime" in loaded and "inference.runtime.stream" in loaded
    assert not {"torch", "onnx", "training", "matplotlib", "PIL"} & set(loaded)


def words(path: Path) -> Iterator[str]:
    """Names and whole strings in a file's code; comments and docstrings do not count."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.split(":")[0].lower()


@pytest.mark.parametrize("layer", LAYERS)
def test_devices_are_named_in_one_file_a_runtime(layer: str) -> None:
    for path in modules(layer):
        found = DEVICE_WORDS & set(words(path))
        assert not found or path.name == DEVICE_HOME.get(layer), f"{path} says {found}"


def test_providers_are_named_in_one_file() -> None:
    for layer in LAYERS:
        for path in modules(layer):
            if path != ROOT / "inference" / "runtime" / "providers.py":
                named = [word for word in words(path) if word.endswith("ExecutionProvider")]
                assert not named, f"{path} says {named}"


def test_cores_are_counted_in_one_file() -> None:
    """All of the machine's are more than a process may use in a container or under a scheduler."""
    for layer in ("inference", "training", "export", "app"):
        for path in modules(layer):
            allowed = path.name in {"machine.py", "checks.py"} and layer == "inference"
            assert allowed or not {"cpu_count", "process_cpu_count"} & set(words(path)), path


def test_no_module_is_called_like_a_library() -> None:
    for layer in LAYERS:
        for path in modules(layer):
            assert path.stem not in {"onnx", "torch", "logging", "inspect", "types", "random"}, path
