"""Errors for people: one line, on stderr, with an exit code of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "training.prepare": ["{nowhere}", "{out}"],
    "training.synthesize": ["{out}", "--images", "0"],
    "training.train": ["--data", "{nowhere}", "--out", "{out}"],
    "export.to_onnx": ["{nowhere}", "{out}.onnx"],
    "inference.segment": ["{nowhere}", "--model", "{nowhere}", "--output", "{out}"],
    "inference.evaluate": ["{nowhere}", "{nowhere}", "--model", "{nowhere}"],
}


def call(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", COMMANDS)
def test_bad_input_is_one_line_and_leaves_nothing(module: str, tmp_path: Path) -> None:
    nowhere, out = tmp_path / "nowhere", tmp_path / "out"
    arguments = [argument.format(nowhere=nowhere, out=out) for argument in COMMANDS[module]]
    done = call(module, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", COMMANDS)
def test_help_names_the_command_and_every_option(module: str) -> None:
    done = call(module, "--help")
    assert done.returncode == 0
    assert f"python -m {module}" in done.stdout
    assert "(default:" in done.stdout
