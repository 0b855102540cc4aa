"""What commands share: how they start and end, what they print, and their options' help."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from inference import cli
from inference.cli import (
    CRASHED,
    JsonFile,
    ModelsOption,
    ProviderOption,
    Threads,
    TtaOption,
    escape_line,
    run,
    say,
    warn,
)
from inference.errors import InputError
from inference.runtime.providers import AUTO, Provider


def call(monkeypatch: pytest.MonkeyPatch, command: object, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(command)  # type: ignore[arg-type]
    return ended.value.code


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (None, None, ""),
        (3, 3, ""),
        (InputError("a.jpg [b]: is empty"), 2, "error: a.jpg [b]: is empty\n"),
        (FileNotFoundError(2, "No such file", "a"), 2, "error: [Errno 2] No such file: 'a'\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exit_codes_and_errors_of_one_line(
    outcome: int | BaseException | None,
    code: int | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> int | None:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    assert call(monkeypatch, command) == code
    assert capsys.readouterr().err == said


def test_a_fault_of_the_program_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise ZeroDivisionError("odd\nname")

    assert call(monkeypatch, command) == CRASHED == 70
    *before, last = capsys.readouterr().err.splitlines()
    assert before[0].startswith("Traceback") and "in command" in "".join(before)
    assert last == (
        r"error: the program failed (ZeroDivisionError: odd\nname): please report it, "
        "with the lines above"
    )


def test_names_never_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b]0;owned\x07\r\x9b31m\u202egpj.\u2028läsion \udcff.jpg"
    say(name)
    warn(f"{name}\n\tsecond line")
    out, err = capsys.readouterr()
    assert out == "\\x1b]0;owned\\x07\\r\\x9b31m\\u202egpj.\\u2028läsion \\udcff.jpg\n"
    assert err.endswith("\n\tsecond line\n") and not {*err} & {*"\x1b\x07\r\x9b\u202e\u2028"}
    assert escape_line("a\nerror: b\tc") == r"a\nerror: b\tc"


def test_options_are_parsed_and_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[object] = []

    def command(
        model: ModelsOption = (),
        threads: Threads = 0,
        provider: ProviderOption = "auto",
        json_file: JsonFile = None,
        tta: TtaOption = False,
    ) -> None:
        given.extend((model, threads, provider, json_file, tta))

    line = "--model a b --threads 3 --provider cpu --json c --flips"
    assert call(monkeypatch, command, *line.split()) is None
    assert given == [(Path("a"), Path("b")), 3, "cpu", Path("c"), True]
    assert call(monkeypatch, command, "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for shown in ("--model MODEL", "--json FILE", "--threads N", "--tta", "--flips"):
        assert shown in text
    for wrong in ("PATH", "STR", "None"):
        assert wrong not in text


def test_help_tells_what_auto_does() -> None:
    assert f"auto takes the first of {', '.join(AUTO)} that" in cli.PROVIDER_HELP
    for provider in get_args(Provider):
        assert provider in cli.PROVIDER_HELP
    assert set(get_args(Provider)) - set(AUTO) == {"auto", "tensorrt"}


def test_lines_are_printed_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"[bold]:smile: {'x' * 300}"
    say(line)
    warn(line)
    assert capsys.readouterr() == (f"{line}\n", f"{line}\n")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say("l\u00e4sion \udcff")
    sys.stdout.flush()
    assert raw.getvalue().split() == [rb"l\xe4sion", rb"\udcff"]


def test_items_pass_through_the_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(cli.track(iter("abc"), "counting", 3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")  # not a terminal


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    arguments = [tmp_path / "nowhere", "--output", tmp_path / "out"]
    command = [sys.executable, "-m", "inference.segment", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
