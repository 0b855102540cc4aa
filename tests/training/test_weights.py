from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.contract import Contract
from inference.errors import InputError
from tests.training.reference_networks import ReferenceNetwork
from training import checkpoint
from training.config import make_config
from training.networks.unet import UNet
from training.train import train
from training.weights import open_network, take_weights


def test_a_run_starts_where_another_ended(data: Path, tmp_path: Path) -> None:
    settings = {"width": 4, "size": 64, "epochs": 1, "batch_size": 8, "device": "cpu", "ema": 0.0}
    first, second = (make_config(data, out=tmp_path / name, **settings) for name in "ab")
    assert train(first) == 0
    init = tmp_path / "a" / "best.pt"
    # So small a rate that only the statistics of normalisation move.
    assert (
        train(make_config(data, **{**settings, "out": second.out, "init": init, "lr": 1e-12})) == 0
    )
    before, after = (torch.load(tmp_path / name / "best.pt")["weights"] for name in "ab")
    for name, weight in before.items():
        if "running" not in name and "tracked" not in name:
            assert torch.allclose(weight, after[name], atol=1e-6), name


State = dict[str, Any]


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda weights: {prefix + key: value for key, value in weights.items()}


WRAPPED: dict[str, Callable[[State], State]] = {
    "bare": lambda weights: weights,
    **{
        name: (lambda weights, name=name: {name: weights, "epoch": 3})
        for name in ("state_dict", "model_state_dict", "ema_state_dict", "model", "net", "network")
    },
    "nested": lambda weights: {"model": {"state_dict": weights}, "optimizer": {"lr": 0.1}},
    "DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled in DataParallel": prefixed("module._orig_mod."),
    "wrapped twice": prefixed("_orig_mod.module.module."),
    "all of it": lambda weights: {
        "epoch": 3,
        "model": "attunet",
        "state_dict": prefixed("module._orig_mod.")(weights),
    },
    "Lightning": lambda weights: {"state_dict": prefixed("model.")(weights), "epoch": 3},
    "Lightning, compiled": lambda weights: {"state_dict": prefixed("net._orig_mod.")(weights)},
    "half": lambda weights: {key: value.half() for key, value in weights.items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_weights_of_the_public_reference(wrapped: str, tmp_path: Path) -> None:
    theirs = ReferenceNetwork("attunet", 4).state_dict()
    path = tmp_path / "AttU_Net.pkl"
    torch.save(WRAPPED[wrapped](theirs), path)
    ours = UNet("attunet", 4)
    take_weights(ours, make_config(Path("data"), init=path, width=4))
    assert torch.allclose(ours.head.weight, theirs["Conv_1x1.weight"], atol=1e-3)
    network, contract = open_network(path)
    assert torch.equal(network.head.weight, ours.head.weight) and not network.training
    assert contract.provenance["checkpoint"] == "AttU_Net.pkl"
    assert contract.provenance["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def make_checkpoint(weights: UNet, average: UNet | None = None) -> State:
    """A checkpoint as training.train writes it, as far as it is opened again."""
    described: State = {
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
        network, contract = open_network(path)
        assert contract.mean == (0.4, 0.5, 0.6) and not network.training
        with torch.no_grad():
            assert torch.equal(network(images), expected(images))
    with torch.no_grad():
        assert not torch.equal(last(images), average(images))


def test_a_checkpoint_that_contradicts_itself_is_named(tmp_path: Path) -> None:
    last, _ = make_networks()
    path = tmp_path / "last.pt"
    for wrong in ({"arch": "unet", "width": 4}, {"arch": "other", "width": 2}, {}):
        checkpoint.save(path, {**make_checkpoint(last), "config": wrong})
        with pytest.raises(InputError, match=r"last\.pt: weights do not fit the network") as error:
            open_network(path)
        assert "\n" not in str(error.value)
    contract = '{"size": 32, "threshold": 2}'
    checkpoint.save(path, {**make_checkpoint(last), "contract": contract})
    with pytest.raises(InputError, match=r"last\.pt: contract with threshold 2: must be between"):
        open_network(path)


def test_a_weight_that_the_reference_lacks_names_the_file(tmp_path: Path) -> None:
    theirs = ReferenceNetwork("attunet", 4).state_dict()
    torch.save({**theirs, "other.weight": torch.zeros(1)}, tmp_path / "AttU_Net.pth")
    with pytest.raises(
        InputError, match=r"AttU_Net\.pth: weight other\.weight: unknown to the ref"
    ):
        open_network(tmp_path / "AttU_Net.pth")
    del theirs["Conv_1x1.bias"]
    torch.save(theirs, tmp_path / "AttU_Net.pth")
    with pytest.raises(
        InputError, match=r"AttU_Net\.pth: weights of attunet: .* 0 more are missing"
    ):
        open_network(tmp_path / "AttU_Net.pth")


ODD: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sparse": lambda weight: weight.to_sparse(),
    "meta": lambda weight: weight.to("meta"),
    "complex": lambda weight: weight.to(torch.complex64),
    "whole numbers": lambda weight: weight.to(torch.int8),
}


@pytest.mark.parametrize("odd", ODD)
def test_weights_that_are_no_plain_numbers_are_refused(odd: str, tmp_path: Path) -> None:
    theirs = ReferenceNetwork("attunet", 4).state_dict()
    theirs["Conv_1x1.weight"] = ODD[odd](theirs["Conv_1x1.weight"])
    torch.save(theirs, tmp_path / "AttU_Net.pth")
    last, _ = make_networks()
    ours = make_checkpoint(last)
    ours["weights"]["head.weight"] = ODD[odd](ours["weights"]["head.weight"])
    torch.save(ours, tmp_path / "last.pt")
    for name in ("AttU_Net.pth", "last.pt"):
        with pytest.raises(InputError, match=rf"{name}: .*weight (Conv_1x1|head).weight is "):
            open_network(tmp_path / name)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    theirs = ReferenceNetwork("attunet", 4).state_dict()
    theirs["Conv_1x1.weight"][0, 1] = value
    torch.save({"state_dict": theirs}, tmp_path / "AttU_Net.pth")
    with pytest.raises(InputError, match=r"AttU_Net\.pth: holds weights that are infinite or nan"):
        open_network(tmp_path / "AttU_Net.pth")


def test_another_network_than_asked_for_is_refused(tmp_path: Path) -> None:
    torch.save(ReferenceNetwork("attunet", 4).state_dict(), tmp_path / "theirs.pkl")
    checkpoint.save(tmp_path / "ours.pt", make_checkpoint(make_networks()[0]))
    assert open_network(tmp_path / "theirs.pkl", "attunet")[0].arch == "attunet"
    with pytest.raises(InputError, match=r"--arch unet: .*pkl holds attunet"):
        open_network(tmp_path / "theirs.pkl", "unet")
    with pytest.raises(InputError, match=r"--arch attunet: .*ours.pt holds unet"):
        open_network(tmp_path / "ours.pt", "attunet")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(ReferenceNetwork("attunet", 4).state_dict(), tmp_path / "AttU_Net.pkl")
    for changes in ({"width": 8}, {"arch": "unet", "width": 4}):
        config = make_config(Path("data"), init=tmp_path / "AttU_Net.pkl", **changes)
        with pytest.raises(
            InputError, match=rf"AttU_Net.pkl: does not fit --arch {config.arch} --width"
        ):
            take_weights(UNet(config.arch, config.width), config)
    config = make_config(Path("data"), init=tmp_path / "run" / "best.pt", out=tmp_path / "run")
    with pytest.raises(InputError, match="is inside --out"):
        take_weights(UNet("attunet", 4), config)
    (tmp_path / "text.pt").write_text("no checkpoint")
    config = make_config(Path("data"), init=tmp_path / "text.pt")
    with pytest.raises(InputError, match=r"(read as a|not a) checkpoint"):
        take_weights(UNet("attunet", 4), config)
