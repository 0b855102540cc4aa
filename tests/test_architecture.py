"""Who may import whom, and where a word may stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.source_tree import (
    COMMANDS,
    LAYERS,
    MODULES,
    ROOT,
    imported_modules,
    imports,
    list_modules,
    parse,
)

DEVICE_WORDS = {"cuda", "npu", "nccl", "hccl", "torch_npu"}
DEVICE_HOME = {"training": "device.py", "inference": "providers.py"}
MAX_FILES = 18  # of one folder


def packages(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str) -> None:
    for name, path in list_modules(layer).items():
        ours = packages(path) & {*LAYERS, "tests"}
        assert ours <= LAYERS[layer], f"{name} imports {ours - LAYERS[layer]}"


def test_nothing_imports_in_a_circle() -> None:
    graph = {name: imported_modules(path, MODULES) - {name} for name, path in MODULES.items()}
    circle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert not circle, " is imported by ".join(circle)


def test_nothing_imports_a_command() -> None:
    """What others need of a command belongs in a module beside it."""
    commands = {*COMMANDS, *(f"{command}.__main__" for command in COMMANDS)}
    commands -= {name for name in commands if f"{name}.__main__" in MODULES}  # a package
    wrong = [
        f"{name} imports {command}"
        for name, path in MODULES.items()
        for command in sorted(imported_modules(path, MODULES) & commands)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_test_imports_a_test() -> None:
    for name, path in list_modules("tests").items():
        for imported in imports(path):
            last = imported.split(".")[-1]
            assert not (imported.startswith("tests.") and last.startswith("test_")), (
                f"{name} imports {imported}: move what they share to a conftest.py"
            )


@pytest.mark.parametrize("layer", ["inference", "training"])
def test_no_folder_is_crowded(layer: str) -> None:
    for folder, files in Counter(path.parent for path in (ROOT / layer).rglob("*.py")).items():
        assert files <= MAX_FILES, f"{folder.relative_to(ROOT)} holds {files} modules"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("inference", {"numpy", "onnxruntime", "cv2", "tyro", "rich"}),
        ("inference.contract", {"onnxruntime", "cv2", "tyro", "rich"}),
        ("inference.errors", {"numpy", "onnxruntime", "cv2", "tyro", "rich"}),
        ("training.train", {"torch._dynamo", "matplotlib", "tensorboard", "onnxruntime", "onnx"}),
    ],
)
def test_importing_loads_nothing_heavy(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert module in done.stdout.split()
    assert not heavy & set(done.stdout.split())


def test_torch_stays_out_of_inference() -> None:
    for layer in ("inference", "app"):
        for name, path in list_modules(layer).items():
            assert not {"torch", "torch_npu", "onnx"} & packages(path), name


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
    for node in ast.walk(parse(path)):
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
    for name, path in list_modules(layer).items():
        found = DEVICE_WORDS & set(words(path))
        assert not found or path.name == DEVICE_HOME.get(layer), f"{name} says {found}"


def test_providers_are_named_in_one_file() -> None:
    for name, path in MODULES.items():
        if name != "inference.runtime.providers":
            named = [word for word in words(path) if word.endswith("ExecutionProvider")]
            assert not named, f"{name} says {named}"


def test_cores_are_counted_in_one_file() -> None:
    """A container or a scheduler may grant a process fewer cores than the machine has."""
    for name, path in MODULES.items():
        allowed = name in {"inference.machine", "inference.doctor.checks"}
        assert allowed or not {"cpu_count", "process_cpu_count"} & set(words(path)), name


def test_no_module_is_called_like_a_library() -> None:
    for name, path in MODULES.items():
        assert path.stem not in {"onnx", "torch", "logging", "inspect", "types", "random"}, name
