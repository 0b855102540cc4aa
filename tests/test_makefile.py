"""Every recipe is run with stand-ins for the programs it calls; their own parsers read what they got.

The stand-ins write down their arguments as make and the shell hand them over.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from mkdocs.__main__ import cli as mkdocs

from tests.command_line import parse, start
from tests.documentation import SHOWN
from tests.languages import list_commands
from tests.source_tree import COMMANDS, ROOT
from training.arguments import read_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = {
    target.replace("%", "2"): said
    for target, said in re.findall(r"^([a-z0-9%-]+):.*## (.+)$", MAKEFILE, re.MULTILINE)
}
PROGRAMS = ("python", "pip", "ruff", "mypy", "mkdocs", "docker")
RECORD = """#!/bin/sh
{ printf '%s\\0' "${0##*/}" "$@"; echo; } >> calls
"""
# A blank in every path.
VARIABLES = {
    "DATA": "my data",
    "RAW": "my raw",
    "RUN_FOLDER": "my runs/first",
    "MODEL": "my model.onnx",
    "IMAGES": "my photos",
    "SOC_VERSION": "Ascend310P3",
    "EPOCHS": "3",
    "NODES": "2",
    "ADDR": "host:29500",
}
Call = tuple[str, ...]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the Makefile, what it depends on, and a trained run; it is entered."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "test"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("bin", ".venv", "my photos", "runs/first"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/first/best.pt").touch()
    (tmp_path / "my model.onnx").touch()
    for name in PROGRAMS:
        (tmp_path / "bin" / name).write_text(RECORD)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*arguments: str, code: int = 0) -> str:
    """Runs make here as if nobody had called it from a make of their own; stderr."""
    own = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    own |= set(re.findall(r"^(\w+) \?=", MAKEFILE, re.MULTILINE))
    environment = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        ["make", *arguments],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stderr


def record(target: str, **variables: str) -> list[Call]:
    """What a target calls, set-up aside: the programs and their arguments."""
    for name in ("base", "installed"):
        Path(".venv", name).touch()
    make(
        "BIN=bin",
        "PYTHON=bin/python",
        "DOCKER=bin/docker",
        target,
        *(f"{k}={v}" for k, v in variables.items()),
    )
    return read_calls()


def read_calls() -> list[Call]:
    calls = Path("calls")
    text = calls.read_text() if calls.exists() else ""
    calls.unlink(missing_ok=True)
    return [tuple(line.split("\0")) for line in text.split("\0\n") if line]


def check(call: Call) -> None:
    """Lets the parser of the program that is called read the arguments."""
    program, *arguments = call
    if program == "python":
        option, module, *arguments = arguments
        assert option == "-m", call
        if module == "pytest":
            options = [argument for argument in arguments if argument.startswith("-")]
            assert all((ROOT / path).exists() for path in arguments if path not in options), call
            nothing = [
                sys.executable,
                "-m",
                "pytest",
                *options,
                "--collect-only",
                "tests/contents.py",
            ]
            found = subprocess.run(nothing, cwd=ROOT, capture_output=True).returncode
            assert found == pytest.ExitCode.NO_TESTS_COLLECTED, call  # not USAGE_ERROR
        elif module == "venv":
            assert arguments == [".venv"]
        else:
            assert module in COMMANDS and parse(module, *arguments) == 0, call
    elif program == "pip":
        name, *arguments = arguments
        commands = import_module("pip._internal.commands")
        _, packages = commands.create_command(name).parse_args(arguments)
        assert packages == [] and "." in " ".join(arguments), call
    elif program == "docker":
        assert arguments[0] == "run" and arguments[-2:] == ["attention-unet-npu", "bash"], call
        nodes = {arguments[at + 1] for at, word in enumerate(arguments) if word == "--device"}
        assert {"/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"} <= nodes, call
        assert "/usr/local/Ascend/driver:/usr/local/Ascend/driver:ro" in arguments, call
    elif program == "mkdocs":
        command, *flags = arguments
        known = {flag for option in mkdocs.commands[command].params for flag in option.opts}
        assert set(flags) <= known, call
    elif program == "mypy":
        assert import_module("mypy.main").process_options(arguments)[0], call
    else:
        ruff = [sys.executable, "-m", "ruff", *arguments, "--help"]  # after the flags are read
        assert program == "ruff" and subprocess.run(ruff, capture_output=True).returncode == 0, call


def test_help_lists_every_target(folder: Path) -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony
    plain = [target for target in TARGETS if target not in ("train-2p", "perf-2p")]
    assert sorted(phony[1].split()) == sorted(plain)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("variables", [{}, VARIABLES], ids=["as it is", "all variables"])
def test_recipes(target: str, variables: dict[str, str], folder: Path) -> None:
    arguments = {"test": {"ARGS": "tests/test_line.py"}, "segment": {"IMAGES": "my photos"}}
    calls = record(target, **{**arguments.get(target, {}), **variables})
    assert calls or target in ("help", "setup")
    for call in calls:
        check(call)
    if variables:  # what the help names gets through in one piece
        words = [word for call in calls for word in call]
        for name in re.findall(r"\b[A-Z_]{3,}\b", TARGETS[target]):
            value = variables.get(name)
            assert not value or any(value.removesuffix(".onnx") in word for word in words), name


@pytest.mark.parametrize("line", [line for line, words in SHOWN.items() if words[0] == "make"])
def test_what_is_documented_is_understood(line: str, folder: Path) -> None:
    _, target, *variables = SHOWN[line]
    for call in record(target, **dict(variable.split("=", 1) for variable in variables)):
        check(call)


def test_check_is_lint_and_test(folder: Path) -> None:
    programs = [call[0] for call in record("check", ARGS="tests")]
    assert programs == ["ruff", "ruff", "mypy", "python"]


def test_set_up_installs_extras_that_there_are(folder: Path) -> None:
    make("BIN=bin", "PYTHON=bin/python", "setup")
    calls = read_calls()
    assert [call[0] for call in calls] == ["python", "pip", "pip"]
    for call in calls:
        check(call)
    assert calls[1][-1] == ".[jpeg]"
    named = re.fullmatch(r"\.\[(.+)\]", calls[2][-1])
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert named and set(named[1].split(",")) <= set(extras["optional-dependencies"])
    assert {path.name for path in Path(".venv").iterdir()} == {"base", "installed"}
    make("BIN=bin", "PYTHON=bin/python", "setup")
    assert not read_calls()


def test_soak_sets_a_number_that_its_test_reads(folder: Path) -> None:
    (name,) = re.findall(r"^\t(\w+)=10000 ", MAKEFILE, re.MULTILINE)
    ((_, _, _, path),) = record("soak")
    assert f'"{name}"' in (ROOT / path).read_text()


def test_several_images_and_models_are_several(folder: Path) -> None:
    ((*_, first, second, model, one, other),) = record("segment", IMAGES="a b.jpg", MODEL="m n")
    assert (first, second, model, one, other) == ("a", "b.jpg", "--model", "m", "n")


@pytest.mark.parametrize("name", ["my photos", "Ann's photos", "photos of 'A' and $B", "it's"])
def test_one_folder_is_one_whatever_its_name(name: str, folder: Path) -> None:
    Path(name).mkdir(exist_ok=True)
    made = name.replace("$", "$$")  # as make spells it
    ((*_, images),) = record("segment", IMAGES=made)
    ((*_, first, second),) = record("evaluate", DATA=made)
    assert (images, first, second) == (name, f"{name}/test", f"{name}/test_GT")


def test_what_is_quoted_already_stays_so(folder: Path) -> None:
    ((*_, images),) = record("segment", IMAGES="'my photos/*.jpg'")
    assert images == "my photos/*.jpg"


def test_export_takes_the_newest_run(folder: Path) -> None:
    for number, run in enumerate(("first", "8p-full", "8p-perf", "8p-perf-20260131-235959"), 1):
        weights = Path("runs", run, "best.pt")
        weights.parent.mkdir(exist_ok=True)
        weights.touch()
        os.utime(weights, (number, number))
    ((*_, source, target),) = record("export")
    assert (source, target) == ("runs/8p-full/best.pt", "model.onnx")
    ((*_, source, _),) = record("export", RUN_FOLDER="runs/first")
    assert source == "runs/first/best.pt"
    for weights in Path("runs").glob("*/best.pt"):
        weights.unlink()
    said = make("BIN=bin", "export", code=2)
    assert (
        "no trained network in runs/ (there are 8p-full 8p-perf" in said and said.count("\n") == 1
    )


def test_export_takes_a_run_with_a_blank_in_its_name(folder: Path) -> None:
    Path("runs/first").rename("runs/my first")
    ((*_, source, _),) = record("export")
    assert source == "runs/my first/best.pt"


def test_names_of_what_is_written(folder: Path) -> None:
    ((*_, source, target),) = (call[:5] for call in record("int8", MODEL="my.onnx"))
    assert (source, target) == ("my.onnx", "my-int8.onnx")
    ((*_, source, target),) = (call[:5] for call in record("om", MODEL="my.onnx"))
    assert (source, target) == ("my.onnx", "my.om")
    written = ["imagenet"]
    for command in record("weights"):
        out = command.index("--out")
        learns = [command[place + 1] for place, word in enumerate(command) if word == "--init"]
        if "--teachers" in command:
            learns += command[command.index("--teachers") + 1 :][:3]
        learns += command[3:out] if command[2] == "export.average" else ()
        assert learns and set(learns) <= {*written}, "of what an earlier command wrote"
        written.append(
            command[out + 1] if command[2] == "export.average" else f"{command[out + 1]}/best.pt"
        )
    assert len({*written}) == len(written) and written[-1] == "runs/attunet_lite0.pt"
    assert (call := record("train-2p")[0])[call.index("--out") + 1] == "runs/2p-full"
    assert (call := record("perf-2p")[0])[call.index("--out") + 1] == "runs/2p-perf"
    assert (call := record("train")[0])[call.index("--out") + 1] == "runs/latest"


def test_every_fold_is_trained_and_compared(folder: Path) -> None:
    *trainings, comparison = record("train-folds", FOLDS="3")
    assert [dict(pairwise(call))["--fold"] for call in trainings] == ["0", "1", "2"]
    runs = [dict(pairwise(call))["--out"] for call in trainings]
    assert comparison[2:] == ("training.compare", *runs)


def test_devices_share_out_batch_and_learning_rate(folder: Path) -> None:
    """16 images and 2e-4 for each device, as ModelZoo has them."""
    (call,) = record("train-8p", NODES="2", ADDR="host")
    config = dict(pairwise(call))
    assert (config["--batch-size"], float(config["--lr"])) == ("256", pytest.approx(3.2e-3))
    assert (config["--device-list"], config["--nodes"]) == ("0,1,2,3,4,5,6,7", "2")
    (call,) = record("perf-1p", ARGS="--recipe default --lr 0.1")
    config = read_config(call[3:])
    assert (config.batch_size, config.lr, config.recipe) == (16, 0.1, "default")
    assert (config.device_list, config.epochs, config.level) == ("0", 10, "O2")


@pytest.mark.parametrize("target", ["train-0p", "perf-0p", "train-p", "train-xp", "perf-01p"])
def test_a_number_of_devices_that_is_none_is_a_line(target: str, folder: Path) -> None:
    for name in ("base", "installed"):
        Path(".venv", name).touch()
    said = make("BIN=bin", target, code=2)
    assert said.count("\n") == 1 and target in said
    assert not Path("calls").exists()


def test_from_a_data_set_to_a_model(folder: Path, raw: Path) -> None:
    """The recipes one after another, as they stand; each takes what those before it made."""

    def run(target: str, code: int = 0, **variables: str) -> None:
        for program, _, module, *arguments in record(target, **variables):
            assert program == "python" and start(module, *arguments) == code

    tiny = "--device cpu --opt-level O0 --width 2 --size 32 --batch-size 8 --workers 0"
    Path("runs/first/best.pt").unlink()
    run("prepare", RAW=str(raw), DATA="my data", ARGS="--size 32")
    real = ["--assume-old=.venv/base", "--assume-old=.venv/installed", "train-2p", "DATA=my data"]
    make(f"BIN={Path(sys.executable).parent}", *real, "EPOCHS=1", f"ARGS={tiny}")
    run("export")
    run("segment", IMAGES="my data/test", MODEL="model.onnx")
    assert len(list(Path("masks").glob("*_segmentation.png"))) == 6
    run("evaluate", DATA="my data", MODEL="model.onnx")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = next(line for line in list_commands(readme) if line.startswith("make om"))
    run("om", **dict(word.split("=", 1) for word in shown.split()[2:]))
    run("bench", MODEL="model.onnx", ARGS="--rounds 1")
