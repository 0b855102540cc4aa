"""Learning from other networks: blended targets, refusals, and a whole run."""

from pathlib import Path

import pytest
import torch

from inference.contract import Contract
from inference.errors import InputError
from training.config import make_config
from training.device import Runtime
from training.distil import Teachers
from training.networks.unet import UNet
from training.train import train


def save_teacher(path: Path, seed: int, arch: str = "unet") -> UNet:
    """Writes a checkpoint of a network with random weights."""
    torch.manual_seed(seed)
    network = UNet(arch, 2).eval()
    config = make_config(Path("data"), arch=arch, width=2, size=32).to_dict()
    contract = Contract(size=32, provenance={"arch": arch, "width": 2})
    torch.save(
        {"config": config, "contract": contract.to_json(), "weights": network.state_dict()}, path
    )
    return network


@pytest.fixture
def runtime() -> Runtime:
    return Runtime("cpu", [], level="O0", half="auto", loss_scale="dynamic")


def test_without_teachers_masks_are_the_targets(runtime: Runtime) -> None:
    masks = torch.ones(2, 32, 32, dtype=torch.uint8)
    assert Teachers((), 0.5, 32, runtime).blend(torch.zeros(2, 32, 32, 3), masks) is masks


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_targets_are_masks_and_the_mean_of_the_teachers(
    tmp_path: Path, runtime: Runtime, share: float
) -> None:
    paths = [tmp_path / "a.pt", tmp_path / "b.pt"]
    networks = [save_teacher(path, seed) for seed, path in enumerate(paths)]
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    masks = torch.randint(0, 2, (3, 32, 32), dtype=torch.uint8)
    target = Teachers(paths, share, 32, runtime).blend(images, masks)
    with torch.no_grad():
        mean = sum(torch.sigmoid(network(images)) for network in networks) / 2
    assert torch.allclose(target, (1 - share) * masks + share * mean, atol=1e-6)
    assert not target.requires_grad


def test_teachers_that_cannot_teach_are_refused(tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(InputError, match=r"gone.pt"):
        Teachers([tmp_path / "gone.pt"], 0.5, 32, runtime)
    save_teacher(tmp_path / "lite.pt", 0, "attunet_lite0")
    with pytest.raises(InputError, match="must be a multiple of 32"):
        Teachers([tmp_path / "lite.pt"], 0.5, 48, runtime)
    with pytest.raises(InputError, match=r"--teacher-share 1.5: must be from 0 to 1"):
        make_config(Path("data"), teacher_share=1.5)


def test_a_network_learns_what_its_teachers_say(dataset: Path, tmp_path: Path) -> None:
    """Taught by nothing but an earlier network, another comes closer to it than it began."""
    save_teacher(tmp_path / "teacher.pt", 7)
    settings = {"arch": "unet", "width": 2, "size": 16, "batch_size": 4, "device": "cpu"}
    runs = []
    for share in (1.0, 0.0):
        out = tmp_path / f"share-{share}"
        config = make_config(
            dataset,
            out=out,
            teachers=(tmp_path / "teacher.pt",),
            teacher_share=share,
            epochs=2,
            **settings,
        )
        assert train(config) == 0
        runs.append(torch.load(out / "best.pt")["config"])
    assert runs[0]["teachers"] == [str(tmp_path / "teacher.pt")]
    first, second = ((tmp_path / f"share-{s}" / "metrics.csv").read_text() for s in (1.0, 0.0))
    assert first != second
