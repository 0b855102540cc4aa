import errno
import os
import shlex
from pathlib import Path

import pytest
import torch

from export.average import average
from export.recipe import describe_recipe
from inference.contract import Contract
from inference.errors import InputError
from training import checkpoint
from training.config import make_config
from training.networks.unet import UNet
from training.weights import open_network


def save_run(folder: Path, init: Path | None, weights: dict, width: int = 2) -> Path:
    config = make_config(Path("data"), out=folder, init=init, width=width, size=32).to_dict()
    contract = Contract(size=32, provenance={"arch": "attunet", "width": width})
    entries = {"config": config, "contract": contract.to_json(), "weights": weights}
    folder.mkdir()
    checkpoint.save(folder / "best.pt", entries)
    return folder / "best.pt"


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A run, and a second that began from it."""
    torch.manual_seed(0)
    first, second = (UNet("attunet", 2).state_dict() for _ in range(2))
    second = {name: tensor + 7 * (tensor.ndim == 0) for name, tensor in second.items()}
    start = save_run(tmp_path / "first", None, first)
    return start, save_run(tmp_path / "second", start, second)


def test_weights_are_the_mean_and_counts_the_last(runs: tuple[Path, Path], tmp_path: Path) -> None:
    average(runs, tmp_path / "mean.pt")
    network, contract = open_network(tmp_path / "mean.pt")
    first, second = (open_network(path)[0].state_dict() for path in runs)
    for name, tensor in network.state_dict().items():
        counts = not tensor.is_floating_point()
        expected = second[name] if counts else (first[name] + second[name]) / 2
        torch.testing.assert_close(tensor, expected)
    assert contract.size == 32


def test_its_recipe_ends_with_the_command_that_made_it(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    mean = tmp_path / "my mean.pt"
    average(runs, mean)
    first, second, last = describe_recipe(mean).splitlines()
    assert [first, second] == describe_recipe(runs[1]).splitlines()
    assert shlex.split(last)[2:] == ["export.average", *map(str, runs), "--out", str(mean)]


def test_a_full_disk_is_a_line_that_fits(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    said = r"mean\.pt: cannot be written \(.*No space left.*\); free some space, or give another --out$"
    with pytest.raises(InputError, match=said):
        average(runs, tmp_path / "mean.pt")
    assert not list(tmp_path.glob("*mean*"))


def test_other_networks_and_single_ones_are_refused(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    wider = save_run(tmp_path / "wider", None, UNet("attunet", 4).state_dict(), width=4)
    mean = tmp_path / "mean.pt"
    with pytest.raises(InputError, match=r"wider/best\.pt: its network differs from that of"):
        average((*runs, wider), mean)
    with pytest.raises(InputError, match="1 checkpoints: give two or more"):
        average(runs[:1], mean)
    assert not mean.exists()
    average(runs, mean)
    with pytest.raises(InputError, match="already exists"):
        average(runs, mean)
