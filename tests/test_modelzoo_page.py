"""What docs/modelzoo.md promises to those who come from there is so."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import tyro

from export.to_onnx import to_onnx
from inference.runtime.segmenter import Segmenter
from tests.training.reference_networks import ReferenceNetwork
from training.arguments import read_config
from training.config import TrainConfig
from training.networks.reference import ARCHS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "modelzoo.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith("|---")
]
PARAMETERS = (
    "--data --addr --arch --workers --epoch --batch-size --lr --momentum --weight_decay --amp "
    "--loss-scale --opt-level --multiprocessing-distributed --device-list"
).split()
THEIRS = (
    "--model_type --data_path --num_epochs --distributed --npu_idx --batch_size --num_worker --seed "
    "--apex --apex_opt_level --loss_scale_value --result_path --lr"
).split()
SCRIPTS = [f"train_{kind}_{count}p.sh" for kind in ("full", "performance") for count in (1, 8)]
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


def test_every_script_and_parameter_has_its_row() -> None:
    theirs = " ".join(row[0] for row in ROWS)
    for name in SCRIPTS:
        assert f"test/{name}`" in theirs and os.access(ROOT / "test" / name, os.X_OK)
    rows = [re.findall("--[a-z_-]+", row[0]) for row in ROWS if re.match("`--[a-z_-]+`", row[0])]
    assert {name for names in rows for name in names} == {*PARAMETERS, *THEIRS}


@pytest.mark.parametrize("parameter", [*PARAMETERS, *THEIRS])
def test_what_the_row_says_is_understood(parameter: str) -> None:
    (row,) = (row for row in ROWS if f"`{parameter}`" in row[0])
    given = row[1].strip("`").split()
    assert given[0].startswith("--")
    assert isinstance(read_config(["--data", "d", *given]), TrainConfig)


@pytest.mark.parametrize("parameters", [PARAMETERS, THEIRS])
def test_their_command_lines_are_understood(parameters: list[str]) -> None:
    (command,) = (
        command for command in COMMANDS if f" {parameters[0]} " in command and "--lr" in command
    )
    assert [word for word in command.split() if word.startswith("--")] == parameters
    config = read_config(command.split()[3:])
    assert (config.arch, config.epochs, config.batch_size) == ("attunet", 150, 128)
    assert (config.level, config.lr, len(config.devices)) == ("O2", 1.6e-3, 8)


def test_every_target_it_names_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w%-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([\w-]+)", PAGE))
    assert {"train-1p", "train-8p", "perf-1p", "perf-8p"} <= named
    for name in named:
        assert name in targets or re.sub(r"\d+p$", "%p", name) in targets, name


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with AttU_Net.pkl and R2AttU_Net.pkl, as the reference writes them, which is entered."""
    for arch in ("AttU_Net", "R2AttU_Net"):
        torch.manual_seed(1)
        network = ReferenceNetwork(ARCHS[arch], 4)
        network(torch.randn(2, 3, 32, 32))
        torch.save(network.state_dict(), tmp_path / f"{arch}.pkl")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_their_weights_become_models(weights: Path) -> None:
    commands = [command for command in COMMANDS if "-m export.to_onnx " in command]
    assert len(commands) == 2
    for command, recurrence in zip(commands, (None, 3)):
        tyro.cli(to_onnx, args=command.split()[3:])
        provenance = Segmenter(weights / "model.onnx").contract.provenance
        assert provenance.get("recurrence") == recurrence


def test_their_weights_are_read_from_python(weights: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["contract"].provenance["arch"] == "attunet"


def test_their_weights_are_trained_on() -> None:
    (command,) = (command for command in COMMANDS if "--init" in command)
    config = read_config(command.split()[3:])
    assert config.recipe == "reference" and config.init == Path("AttU_Net.pkl")
