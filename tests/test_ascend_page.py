"""What docs/ascend.md says is so."""

from __future__ import annotations

import re
import shlex
from importlib import import_module

import pytest

from inference.doctor.versions import CANN, order, torch_of
from tests.command_line import parse
from tests.source_tree import COMMANDS, ROOT

PAGE, CHINESE = (
    (ROOT / "docs" / f"ascend{language}.md").read_text(encoding="utf-8")
    for language in ("", ".zh-CN")
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    """The lines of its bash blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def table(page: str, first: str) -> list[list[str]]:
    """The rows of the table whose first heading is given, without the headings."""
    (found,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.M)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in found.splitlines()]


@pytest.mark.parametrize("command", sorted(set(commands(PAGE))))
def test_every_command_is_understood_by_its_own_parser(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program in ("pip", "~/atc/bin/pip"):
        name, *arguments = arguments
        create = import_module("pip._internal.commands").create_command
        options, packages = create(name).parse_args(arguments)
        named = packages + options.editables
        extras = re.findall(r"\[([\w,]+)\]", " ".join(named))
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        for extra in ",".join(extras).split(",") if extras else ():
            assert re.search(rf"^{extra} = ", project, re.MULTILINE), extra
        assert named
    elif program in ("python", "python3"):
        option, module, *arguments = arguments
        assert option == "-m"
        if module == "venv":
            assert len(arguments) == 1
        else:
            assert module in COMMANDS and parse(module, *arguments) == 0
    elif program == "torchrun":
        run = import_module("torch.distributed.run").parse_args(arguments)
        assert parse(run.training_script, *run.training_script_args) == 0
        assert run.max_restarts == 3
    elif program == "make":
        target, *variables = arguments
        assert re.search(rf"^{re.sub(r'[0-9]+p$', '%p', target)}:", MAKEFILE, re.MULTILINE)
        for variable in variables:
            assert re.search(rf"^{variable.split('=')[0]} \?=", MAKEFILE, re.MULTILINE)
    elif program == "docker":
        dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        assert f" AS {arguments[arguments.index('--target') + 1]}\n" in dockerfile
        assert f"NPU_IMAGE ?= {arguments[arguments.index('-t') + 1]}\n" in MAKEFILE
    else:  # of the system and of CANN
        assert program in ("source", "bash", "export", "npu-smi"), command


def test_the_table_of_versions_is_the_one_that_doctor_knows() -> None:
    rows = table(PAGE, "CANN")
    assert [row[0] for row in rows] == list(CANN)
    for name, drivers, extensions, torches, pythons, numpy in rows:
        asks = CANN[name]
        assert drivers == ", ".join(asks.drivers)
        assert extensions == ", ".join(asks.extensions)
        assert torches.split(", ") == list(dict.fromkeys(map(torch_of, asks.extensions)))
        assert (numpy == "any") == asks.numpy2
        oldest, newest = pythons.split(" to ")
        project = re.search(r"requires-python = \">=([\d.]+),<([\d.]+)\"", read("pyproject.toml"))
        assert project and oldest == project[1] and order(newest) < order(project[2])
        assert order(newest) <= order(asks.python)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_results_are_quoted_and_ours_are_not_made_up() -> None:
    rows = table(PAGE, "run")
    assert [row[1:] for row in rows[:4]] == [
        ["1", "65", ""],
        ["8", "500", "0.899"],
        ["1", "138.54", ""],
        ["8", "845.93", "0.95"],
    ]
    assert [row[2:] for row in rows[4:]] == [["not measured"] * 2] * 2


def test_what_no_device_has_run_is_marked() -> None:
    assert "**No NPU has run this code yet.**" in PAGE
    assert PAGE.count("(unverified)") == CHINESE.count("未验证") >= 4


def test_codes_of_atc_are_those_that_the_command_explains() -> None:
    from export.atc import ATC_HINTS

    known = {code for codes in ATC_HINTS for code in codes}
    named = set(re.findall(r"`(EZ?\d{4,5})`", PAGE))
    assert named <= known
