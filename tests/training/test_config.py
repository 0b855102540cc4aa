from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import training
from inference.errors import InputError
from training.arguments import read_config
from training.config import TrainConfig, make_config

ROOMS = Path(training.__file__).parent
MODELZOO = (
    "--data /data --addr 10.0.0.1 --arch AttU_Net --workers 4 --epoch 7 --batch-size 32 --lr 0.001 "
    "--momentum 0.8 --weight_decay 0.2 --amp --loss-scale 128 --opt-level O1 "
    "--multiprocessing-distributed --device-list 0,1,2,3,4,5,6,7"
)


def test_every_parameter_of_modelzoo_is_understood_in_its_own_spelling() -> None:
    config = read_config(MODELZOO.split())
    assert (config.data, config.addr, config.arch) == (Path("/data"), "10.0.0.1", "attunet")
    assert (config.workers, config.epochs, config.batch_size) == (4, 7, 32)
    assert (config.lr, config.betas, config.weight_decay) == (0.001, (0.8, 0.999), 0.2)
    assert (config.amp, config.loss_scale, config.level) == (True, 128, "O1")
    assert config.multiprocessing_distributed and config.devices == list(range(8))


def test_amp_alone_is_o2_as_in_modelzoo() -> None:
    assert read_config(["--data", "d"]).level == "O0"
    assert read_config(["--data", "d", "--amp"]).level == "O2"
    assert read_config(["--data", "d", "--amp", "--opt-level", "O0"]).level == "O0"
    assert read_config(["--data", "d", "--opt_level", "O1"]).level == "O1"


def test_reference_recipe_is_the_published_one() -> None:
    config = read_config(["--recipe", "reference", "--data", "d"])
    assert (config.size, config.batch_size, config.epochs, config.decay_epochs) == (
        224,
        16,
        150,
        70,
    )
    assert (config.optimiser, config.lr, config.betas) == ("adam", 2e-4, (0.5, 0.999))
    assert (config.loss, config.schedule, config.augmentation) == ("bce", "linear", "reference")
    assert not any((config.warmup, config.weight_decay, config.clip, config.ema))


def test_flags_change_a_recipe_wherever_they_stand() -> None:
    config = read_config("--lr 1 --data d --recipe=reference --epochs 2".split())
    assert (config.lr, config.epochs, config.loss) == (1, 2, "bce")


def test_an_optimizer_is_an_optimiser() -> None:
    assert read_config("--data d --optimizer adam".split()).optimiser == "adam"


def test_settings_come_back_from_their_plain_values() -> None:
    config = make_config(Path("d"), "reference", momentum=(0.5,))
    plain = config.to_dict()
    assert plain["data"] == "d" and plain["momentum"] == [0.5]
    assert TrainConfig(**plain).to_dict() == plain


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 100),
        ("lr", 0),
        ("accumulate", 0),
        ("momentum", (0.9, 0.9, 0.9)),
        ("momentum", (1.0,)),
        ("device_list", "0,a"),
        ("loss_scale", -1.0),
        ("epochs", 0),
        ("ema", 1.0),
        ("clip", -1.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_flag(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}"):
        make_config(Path("d"), **{name: value})


def test_no_setting_is_parsed_and_not_used() -> None:
    """Each field is read from a configuration outside the class, or by a property that is."""
    reads: set[str] = set()
    for path in ROOMS.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        owners = {"config", "chosen", "_config"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and owner(node.value) in owners:
                reads.add(node.attr)
    properties = {"devices": "device_list", "betas": "momentum", "level": "opt_level amp"}
    assert set(properties) <= reads
    for fields in properties.values():
        reads |= set(fields.split())
    # The recipe has done its work when the command line is read.
    fields = {field.name for field in dataclasses.fields(TrainConfig)} - {"recipe"}
    assert fields - reads == set()


def owner(node: ast.expr) -> str:
    """Name of what an attribute is read from: config.x and self._config.x."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def test_help_shows_the_recipe_that_was_asked_for() -> None:
    command = [sys.executable, "-m", "training.train", "--recipe", "reference", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOMS.parent)
    assert "(default: 0.0002)" in shown.stdout


def test_bad_settings_are_one_line_and_exit_code_2() -> None:
    command = [sys.executable, "-m", "training.train", "--data", "nowhere", "--recipe", "other"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOMS.parent)
    assert ended.returncode == 2 and "reference" in ended.stderr + ended.stdout
