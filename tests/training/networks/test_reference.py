"""State dicts of the public reference give the reference's function."""

import pytest
import torch
from torch import Tensor

from inference.errors import InputError
from tests.training.reference_networks import ReferenceNetwork
from training.networks.reference import ARCHS, convert, is_reference, rename
from training.networks.unet import UNet


def make_reference(arch: str, width: int = 4) -> ReferenceNetwork:
    """A reference network with random weights and lived-in normalisation layers."""
    torch.manual_seed(1)
    network = ReferenceNetwork(arch, width)
    for _ in range(3):
        network(torch.randn(2, 3, 32, 32))
    return network.eval()


def bytes_and_input() -> tuple[Tensor, Tensor]:
    """Images as bytes, and as the reference normalises them."""
    images = torch.randint(0, 256, (2, 32, 48, 3), dtype=torch.uint8)
    return images, (images.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5


@pytest.mark.parametrize("arch", ARCHS.values())
def test_same_function(arch: str) -> None:
    theirs = make_reference(arch)
    ours, contract = convert(theirs.state_dict())
    images, normalised = bytes_and_input()
    with torch.no_grad():
        difference = (ours(images) - theirs(normalised)[:, 0]).abs().max()
        scale = theirs(normalised).abs().max()
    assert difference < 1e-5 * max(1.0, float(scale))
    assert contract.size == 224 and contract.mean == contract.std == (0.5, 0.5, 0.5)
    assert contract.provenance["arch"] == arch and contract.provenance["width"] == 4


def test_recurrence_is_the_references_t() -> None:
    torch.manual_seed(1)
    theirs = ReferenceNetwork("r2attunet", 4, t=3)
    for _ in range(3):
        theirs(torch.randn(2, 3, 32, 32))
    theirs.eval()
    images, normalised = bytes_and_input()
    with torch.no_grad():
        expected = theirs(normalised)[:, 0]
        right = convert(theirs.state_dict(), recurrence=3)[0](images)
        wrong = convert(theirs.state_dict())[0](images)
    assert (right - expected).abs().max() < 1e-4 < (wrong - expected).abs().max()


@pytest.mark.parametrize("arch", ARCHS.values())
def test_names_are_one_to_one(arch: str) -> None:
    theirs = make_reference(arch).state_dict()
    ours = UNet(arch, 4).state_dict()
    assert sorted(map(rename, theirs)) == sorted(ours)
    assert all(ours[rename(key)].shape == value.shape for key, value in theirs.items())


def test_counters_may_be_missing() -> None:
    """Files of torch 0.4 have no num_batches_tracked."""
    weights = make_reference("attunet").state_dict()
    old = {key: value for key, value in weights.items() if "num_batches" not in key}
    images, _ = bytes_and_input()
    with torch.no_grad():
        assert torch.equal(convert(old)[0](images), convert(weights)[0](images))


def test_mistakes_are_named() -> None:
    weights = dict(make_reference("attunet").state_dict())
    with pytest.raises(InputError, match="weight Dropout"):
        convert({**weights, "Dropout.weight": torch.zeros(1)})
    weights.pop("Att3.psi.0.weight")
    with pytest.raises(InputError, match=r"gate\.2\.psi\.0\.weight"):
        convert(weights)
    assert not is_reference(UNet("attunet", 4).state_dict())
    assert not is_reference({0: torch.zeros(1)}) and not is_reference({"Conv_1x1.weight": None})


def test_weights_of_other_shapes_are_named() -> None:
    weights = dict(make_reference("attunet").state_dict())
    weights["Conv1.conv.0.weight"] = torch.zeros(4, 1, 3, 3)
    with pytest.raises(InputError, match=r"encoder\.0\.0\.0\.weight"):
        convert(weights)
