"""Every command, whichever the tree holds, explains itself and answers a mistake in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command_line import parse, start
from tests.documentation import SHOWN
from tests.source_tree import COMMANDS, list_commands

BENCHMARKS = list_commands("tests")
# A typical mistake for every command, and what the answer names (a pattern).
MISTAKES: dict[str, tuple[str, str]] = {
    "inference.segment": ("{nowhere} --output {out}", "nowhere"),
    "inference.evaluate": ("{nowhere} {nowhere}", "nowhere"),
    "inference.reproduce": ("{nowhere} {nowhere}", "nowhere"),
    "inference.cluster": (
        "{nowhere} --output {out} --batch-size 0",
        "--batch-size 0|ray is not installed",
    ),
    "inference.benchmark": ("--rounds 0", "--rounds 0"),
    "inference.doctor": ("--model {nowhere} --json /dev/null/file", "/dev/null"),
    "inference.doctor.selftest": ("--model {nowhere}", "nowhere"),
    "training.train": ("--data {nowhere} --out {out}", "nowhere"),
    "training.prepare": ("{nowhere} {out}", "nowhere"),
    "training.synthesize": ("{out} --images 0", "--images 0"),
    "training.compare": ("{nowhere}", "nowhere"),
    "export.to_onnx": ("{nowhere} {out}.onnx", "nowhere"),
    "export.to_int8": ("{nowhere} {out}.onnx --images {nowhere}", "nowhere"),
    "export.to_fp16": ("{nowhere} {out}.onnx", "nowhere"),
    "export.to_web": ("{out} --model {nowhere}", "nowhere"),
    "export.to_om": ("{nowhere} {out}.om --soc-version Ascend310P3", "nowhere"),
    "export.benchmark": ("{nowhere}", "nowhere"),
    "export.fit_confidence": ("{nowhere}.onnx {nowhere}", "nowhere"),
    "export.average": ("{nowhere} {nowhere} --out {out}.pt", "nowhere"),
    "export.sweep": ("{nowhere} {nowhere} {nowhere}", "nowhere"),
    "export.card": ("{nowhere} {nowhere} {nowhere}", "nowhere"),
    "app": ("--port 0", "--port 0"),
}


def test_every_command_is_tried() -> None:
    assert sorted(MISTAKES) == sorted(COMMANDS)


def spell(command: str, folder: Path) -> list[str]:
    """The mistake, as arguments; what is not there would lie in `folder`."""
    return MISTAKES[command][0].format(nowhere=folder / "nowhere", out=folder / "out").split()


@pytest.mark.parametrize("command", [*COMMANDS, *BENCHMARKS])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(command, "--help") == 0
    shown = capsys.readouterr().out
    assert re.search(rf"^usage: python -m {re.escape(command)} ", shown), shown.splitlines()[0]
    assert " options " in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_arguments_are(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """IMAGES and MODEL, not the types that Python has for them."""
    parse(command, "--help")
    for box in re.findall(r" positional arguments .*? options ", capsys.readouterr().out, re.S):
        assert not re.search(r"\b(STR|PATH|INT)\b", box), box


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse(command, *spell(command, tmp_path), "--no-such-flag") == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert re.fullmatch(r"error: --no-such-flag: no such option; .*\n", shown.err), shown.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_is_one_line_and_leaves_nothing(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(command, *spell(command, tmp_path)) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and shown.count("\n") == 1, shown
    assert re.search(MISTAKES[command][1], shown), shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", [line for line, words in SHOWN.items() if words[0] != "make"])
def test_what_is_documented_is_understood(line: str) -> None:
    words = SHOWN[line]
    command, *arguments = words[words.index("-m") + 1 :]
    if command == "pip":
        return
    assert command in [*COMMANDS, *BENCHMARKS]
    if arguments:  # else the command is only named
        assert parse(command, *arguments) == 0
