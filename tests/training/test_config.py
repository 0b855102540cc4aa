from __future__ import annotations

import ast
import dataclasses
import json
import math
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


def test_the_spelling_of_modelzoos_own_scripts() -> None:
    """As their train_8p.sh calls main.py."""
    line = (
        "--model_type AttU_Net --data_path /home/dataset --num_epochs 150 --distributed --npu_idx 3 "
        "--batch_size 128 --num_worker 196 --seed 12345 --apex --apex_opt_level O2 "
        "--loss_scale_value 1024 --result_path ./result_8p/ --lr 0.0016"
    )
    config = read_config(line.split())
    assert (config.data, config.out, config.arch) == (
        Path("/home/dataset"),
        Path("result_8p"),
        "attunet",
    )
    assert (config.epochs, config.batch_size, config.workers) == (150, 128, 196)
    assert config.multiprocessing_distributed and config.devices == [3]
    assert (config.amp, config.level, config.loss_scale, config.seed) == (True, "O2", 1024, 12345)
    assert read_config(["--data_path=d", "--model_type=R2U_Net"]).arch == "r2unet"
    assert read_config(["--data", "AttU_Net", "--out", "U_Net"]).data == Path("AttU_Net")


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
        *(
            (name, math.inf)
            for name in ("lr", "weight_decay", "clip", "loss_scale", "ema", "warmup")
        ),
        *(
            (name, math.nan)
            for name in ("lr", "weight_decay", "clip", "loss_scale", "ema", "warmup")
        ),
        ("seed", 10**23),
        ("size", 10**9),
        ("width", 10**9),
        ("workers", 10**6),
        ("device_list", "0,1,0"),
        ("device_list", "\u00b2"),
        ("device_list", "99999999999"),
        ("addr", "a host"),
        ("addr", "host:port"),
        ("addr", "host:65536"),
        ("addr", "http://host"),
        ("nodes", 2),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_flag(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}"):
        make_config(Path("d"), **{name: value})


@pytest.mark.parametrize("address", ["localhost", "node-1.cluster:0", "10.0.0.1:29500", "[::1]:1"])
def test_addresses(address: str) -> None:
    assert make_config(Path("d"), addr=address, nodes=2).addr == address


@pytest.mark.parametrize(
    "typed",
    ["--seed 1e23", "--seed=1e23", "--lr much", "--epochs 1.5", "--lr=inf", "--num_epochs x"],
)
def test_what_is_no_number_is_one_line(typed: str) -> None:
    flag = typed.replace("=", " ").split()[0].replace("--num_epochs", "--epochs")
    with pytest.raises(InputError, match=rf"^{flag} .*: must be [^\n]+$"):
        read_config(["--data", "d", *typed.split()])


def leave_run(out: Path, *arguments: str) -> TrainConfig:
    """The settings of a run that was started with these arguments, in its folder."""
    config = read_config(["--data", "d", "--out", str(out), *arguments])
    out.mkdir()
    (out / "config.json").write_text(json.dumps(config.to_dict()))
    return config


def test_a_resumed_run_has_its_own_settings_and_what_was_typed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = (
        "--recipe reference --width 8 --amp --momentum 0.7 --init a.pt --device-list 0,1 --lr 0.1"
    )
    before = leave_run(run, *flags.split())
    resume = ["--resume", "--out", str(run)]
    again = read_config(resume)
    assert again == dataclasses.replace(before, resume=True)
    assert read_config([*resume, "--data", "d", *flags.split()]) == again
    longer = read_config([*resume, "--epochs", "200", "--lr", "0.5", "--device", "cpu"])
    assert (longer.epochs, longer.lr, longer.device, longer.width) == (200, 0.5, "cpu", 8)
    assert not read_config([*resume, "--no-amp"]).amp
    assert read_config([f"--result_path={run}", "--resume"]) == again
    assert not read_config(["--data", "d", "--out", str(run)]).amp


def test_settings_of_another_release_are_read_and_damaged_ones_are_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    entries = leave_run(run, "--width", "8").to_dict()
    del entries["compress_gradients"]
    (run / "config.json").write_text(json.dumps({**entries, "forgotten": 1}))
    resume = ["--resume", "--out", str(run)]
    assert read_config(resume).width == 8
    for damaged in ("", "[]", "{}", json.dumps({**entries, "lr": -1})):
        (run / "config.json").write_text(damaged)
        with pytest.raises(
            InputError, match=r"config\.json: cannot be read as the settings"
        ) as error:
            read_config(resume)
        assert "\n" not in str(error.value)


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


@pytest.mark.parametrize(
    ("given", "named"), [("--out", "--out"), ("--recipe", "--recipe"), ("--resume=1", "1: ")]
)
def test_what_is_typed_wrongly_is_one_line(
    given: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((InputError, SystemExit)) as caught:
        read_config(["--data", "d", given])
    said = capsys.readouterr().err or str(caught.value)
    assert named in said and len(said.strip().splitlines()) == 1, said
