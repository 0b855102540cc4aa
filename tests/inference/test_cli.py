"""How commands end, in a process of their own; tests/test_commands.py tries all of them in this one."""

import subprocess
import sys
from pathlib import Path

import pytest

from inference.cli import one_line_errors
from inference.errors import InputError


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    arguments = [tmp_path / "nowhere", "--output", tmp_path / "out"]
    command = [sys.executable, "-m", "inference.segment", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("--size 3: [rule]; fix"), 2, "error: --size 3: [rule]; fix\n"),
        (FileNotFoundError(2, "No such file", "x"), 2, "error: [Errno 2] No such file: 'x'\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_that_people_can_fix_are_one_line(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise error
    assert end.value.code == code and capsys.readouterr().err == line


def test_a_fault_of_the_program_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError), one_line_errors():
        raise ZeroDivisionError
