from pathlib import Path

import pytest
import torch

from inference.errors import InputError
from tests.training.reference_networks import ReferenceNetwork
from training.config import make_config
from training.networks.unet import UNet
from training.train import train
from training.weights import take_weights


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


def test_weights_of_the_public_reference(tmp_path: Path) -> None:
    theirs = ReferenceNetwork("attunet", 4)
    torch.save(theirs.state_dict(), tmp_path / "AttU_Net.pkl")
    ours = UNet("attunet", 4)
    config = make_config(Path("data"), init=tmp_path / "AttU_Net.pkl", width=4)
    take_weights(ours, config)
    assert torch.equal(ours.head.weight, theirs.state_dict()["Conv_1x1.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(ReferenceNetwork("attunet", 4).state_dict(), tmp_path / "AttU_Net.pkl")
    for changes in ({"width": 8}, {"arch": "unet", "width": 4}):
        config = make_config(Path("data"), init=tmp_path / "AttU_Net.pkl", **changes)
        with pytest.raises(InputError, match=r"--init .*AttU_Net.pkl: holds another network"):
            take_weights(UNet(config.arch, config.width), config)
    config = make_config(Path("data"), init=tmp_path / "run" / "best.pt", out=tmp_path / "run")
    with pytest.raises(InputError, match="lies in --out"):
        take_weights(UNet("attunet", 4), config)
    (tmp_path / "text.pt").write_text("no checkpoint")
    config = make_config(Path("data"), init=tmp_path / "text.pt")
    with pytest.raises(InputError, match=r"(read as a|is no) checkpoint"):
        take_weights(UNet("attunet", 4), config)
