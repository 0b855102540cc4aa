from pathlib import Path
from typing import Any

import pytest
import torch

from inference.contract import Contract
from inference.errors import InputError
from training import checkpoint
from training.networks.unet import UNet


def make_checkpoint(weights: UNet, average: UNet | None = None) -> dict[str, Any]:
    """A checkpoint as training.train writes it, as far as it is opened again."""
    described: dict[str, Any] = {
        "config": {"arch": "unet", "width": 2},
        "contract": Contract(size=32, mean=(0.4, 0.5, 0.6)).to_json(),
        "weights": weights.state_dict(),
    }
    if average:
        averaged = {f"module.{key}": value for key, value in average.state_dict().items()}
        described["stepper"] = {"average": {"n_averaged": torch.tensor(9), **averaged}}
    return described


def make_networks() -> tuple[UNet, UNet]:
    torch.manual_seed(0)
    mean = (0.4, 0.5, 0.6)
    return UNet("unet", 2, mean).eval(), UNet("unet", 2, mean).eval()


def test_the_averaged_weights_are_what_ships(tmp_path: Path) -> None:
    last, average = make_networks()
    images = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    for given, expected in (
        (make_checkpoint(last, average), average),
        (make_checkpoint(last), last),
    ):
        path = tmp_path / "last.pt"
        checkpoint.save(path, given)
        network, contract = checkpoint.open_network(checkpoint.load(path))
        assert contract.mean == (0.4, 0.5, 0.6) and not network.training
        with torch.no_grad():
            assert torch.equal(network(images), expected(images))
    with torch.no_grad():
        assert not torch.equal(last(images), average(images))


def test_a_failed_save_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"epoch": 1})
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save(path, {"epoch": (line for line in "no plain value")})
    assert checkpoint.load(path) == {"epoch": 1} and list(tmp_path.iterdir()) == [path]


def test_damage_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(UNet("unet", 2), path)  # the whole object, which would run code when it is loaded
    with pytest.raises(InputError, match="a whole pickled network"):
        checkpoint.load(path)
    for data in (b"", b"text", bytes(100)):
        path.write_bytes(data)
        with pytest.raises(InputError) as error:
            checkpoint.load(path)
        assert "\n" not in str(error.value)
    last, _ = make_networks()
    for wrong in ({"arch": "unet", "width": 4}, {"arch": "other", "width": 2}, {}):
        with pytest.raises(InputError, match="other weights than its config says"):
            checkpoint.open_network({**make_checkpoint(last), "config": wrong})
