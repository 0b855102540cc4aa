"""Learning from other networks: blended targets, refusals, and a whole run."""

import shutil
from pathlib import Path

import pytest
import torch

from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import read_mask
from inference.masks.png import write_mask
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


@pytest.mark.parametrize(("share", "same"), [(1.0, True), (0.5, False)])
def test_a_network_that_learns_from_teachers_alone_never_sees_the_masks(
    dataset: Path, tmp_path: Path, share: float, same: bool
) -> None:
    """With other masks in the training images it gets the same weights, bit for bit."""
    save_teacher(tmp_path / "teacher.pt", 7)
    emptied = Path(shutil.copytree(dataset, tmp_path / "emptied"))
    shutil.rmtree(emptied / "cache", ignore_errors=True)
    for path in (emptied / "train_GT").iterdir():
        mask = read_mask(path)
        mask[:, : mask.shape[1] // 2] = True
        write_mask(path, mask)
    weights = []
    for data in (dataset, emptied):
        config = make_config(
            data,
            out=tmp_path / f"{data.name}-run",
            arch="unet",
            width=2,
            size=16,
            batch_size=4,
            epochs=2,
            device="cpu",
            teachers=(tmp_path / "teacher.pt",),
            teacher_share=share,
        )
        assert train(config) == 0
        state = torch.load(config.out / "last.pt")
        assert state["config"]["teachers"] == [str(tmp_path / "teacher.pt")]
        weights.append(state["weights"])
    equal = all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert equal == same
