import csv
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch

from export.card import write_card
from export.card_sections import describe_doubt
from export.recipe import describe_recipe, to_command
from export.to_onnx import to_onnx
from inference.contract import Contract
from inference.errors import InputError
from inference.evaluate import evaluate
from inference.models import SHIPPED
from inference.scoring.pairs import index_images
from training.arguments import read_config
from training.config import make_config
from training.networks.unet import UNet

ROOT = Path(__file__).parents[2]


@pytest.fixture
def runs(data: Path, network: UNet, tmp_path: Path) -> tuple[Path, Path]:
    """A run as training.train leaves it, and another that started from its weights."""
    folders = tmp_path / "first", tmp_path / "second"
    for out, init in zip(folders, (None, folders[0] / "best.pt")):
        out.mkdir()
        config = make_config(data, out=out, init=init, width=4, size=64, epochs=1).to_dict()
        contract = Contract(size=64, provenance={"arch": "attunet", "width": 4})
        entries = {
            "config": config,
            "contract": contract.to_json(),
            "weights": network.state_dict(),
        }
        torch.save(entries, out / "best.pt")
        (out / "config.json").write_text(json.dumps(config))
        scores = "epoch,dice,jaccard,thresholded_jaccard,accuracy\n0,0.9,0.8,0.7,0.95\n"
        (out / "metrics.csv").write_text(scores)
    return folders


def test_every_figure_of_the_card_is_measured(
    data: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    model, checkpoint = tmp_path / "small.onnx", runs[1] / "best.pt"
    to_onnx(checkpoint, model)
    write_card(model, checkpoint, data, int8=None, runs=runs, rounds=1, threads=1)
    card = model.with_suffix(".md").read_text()
    assert "$" not in card
    weights = sum(weight.numel() for weight in UNet("attunet", 4).parameters())
    assert f"{weights / 1e6:.2f} M parameters" in card
    evaluate(data / "test", data / "test_GT", model=model, json_file=tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    written = json.loads(model.with_suffix(".scores.json").read_text())
    assert scores == {"threshold": 0.5, **written}
    row = next(line for line in card.splitlines() if line.startswith("| test, "))
    assert f"{scores['dice']:.4f}" in row and f"{scores['pooled']['dice']:.4f}" in row
    for heading in ("30 % darker", "largest region", "| second ", "reference, width 64"):
        assert heading in card
    with model.with_suffix(".splits.csv").open() as file:
        splits = {row["name"]: row["split"] for row in csv.DictReader(file)}
    expected = {
        name: split for split in ("train", "valid", "test") for name in index_images(data / split)
    }
    assert splits == expected


def test_the_recipe_is_the_commands_of_all_its_runs(
    data: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = describe_recipe(runs[1] / "best.pt").splitlines()
    shared = "--width 4 --size 64 --epochs 1"
    assert first == f"python -m training.train --data {data} --out {runs[0]} {shared}"
    assert f"--out {runs[1]} --init {runs[0] / 'best.pt'} {shared}" in second
    moved = torch.load(runs[1] / "best.pt")
    moved["config"]["init"] = "gone.pt"
    torch.save(moved, tmp_path / "moved.pt")
    with pytest.raises(InputError, match=r"gone.pt: no such file, but .*moved.pt learnt from it"):
        describe_recipe(tmp_path / "moved.pt")


def test_a_recipe_begins_with_the_teachers(
    data: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    pupil = torch.load(runs[0] / "best.pt")
    pupil["config"]["teachers"] = [str(run / "best.pt") for run in runs]
    torch.save(pupil, tmp_path / "pupil.pt")
    first, second, last = describe_recipe(tmp_path / "pupil.pt").splitlines()
    assert describe_recipe(runs[1] / "best.pt").splitlines() == [first, second]
    assert f"--teachers {runs[0] / 'best.pt'} {runs[1] / 'best.pt'} " in last


def test_a_recipe_that_began_with_imagenet_ends_there(
    data: Path, network: UNet, tmp_path: Path
) -> None:
    config = make_config(data, arch="attunet_lite0", init="imagenet", size=64).to_dict()
    torch.save({"config": config, "weights": network.state_dict()}, tmp_path / "best.pt")
    (command,) = describe_recipe(tmp_path / "best.pt").splitlines()
    assert "--init imagenet --arch attunet_lite0" in command


def test_what_is_no_checkpoint_or_data_set_is_named(
    data: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    model, checkpoint = tmp_path / "small.onnx", runs[1] / "best.pt"
    with pytest.raises(InputError, match=f"{tmp_path}: no such checkpoint; give best.pt"):
        write_card(model, tmp_path, data)
    with pytest.raises(InputError, match=f"{tmp_path}: holds no manifest.csv; give a data set"):
        write_card(model, checkpoint, tmp_path)


def test_make_weights_is_the_recipe_of_the_card() -> None:
    told = subprocess.run(
        ["make", "-n", "weights", "DATA=data"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    card = SHIPPED.with_suffix(".md").read_text(encoding="utf-8")
    made, written = (
        [
            read_config(shlex.split(line.split("training.train ", 1)[1]))
            for line in text.splitlines()
            if "-m training.train --data" in line
        ]
        for text in (told.stdout, card)
    )
    assert made == written and len(made) == 11
    averages = re.findall(r"-m (export\.average .*)", told.stdout)
    assert len(averages) == 2 and all(f"python -m {each}\n" in card for each in averages)


def test_a_command_is_whole() -> None:
    config = make_config(Path("my data"), "reference", out=Path("runs/a"), tta=True, width=8)
    expected = "--data 'my data' --out runs/a --recipe reference --width 8 --tta"
    assert to_command(config.to_dict()) == f"python -m training.train {expected}"
    assert read_config(shlex.split(expected)) == config


def test_the_card_says_how_well_doubt_finds_failures() -> None:
    doubt = {
        "auroc": 0.9174,
        "found": {"10%": 0.66, "20%": None, "30%": 0.93},
        "calibration_error": 0.0123,
        "suspected": 0.044,
    }
    scores = {
        ("test", "", "a.onnx"): {"failure_rate": 0.08, "doubt": doubt},
        ("test", "", "old.onnx"): {"failure_rate": 0.09},
    }
    _, _, row = describe_doubt(scores).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["test, isic2018, `a.onnx`", *"8.0% 66% - 93% 0.917 0.012 4.4%".split()]
    del scores["test", "", "a.onnx"]
    assert "no such figure" in describe_doubt(scores)
