from typing import get_args

import pytest
import torch

from training.networks.unet import Arch, UNet


@pytest.mark.parametrize("arch", get_args(Arch))
def test_bytes_in_logits_out(arch: Arch) -> None:
    network = UNet(arch, 2).eval()
    height, width = 2 * network.multiple, 3 * network.multiple
    images = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits = network(images)
    assert logits.shape == (2, height, width) and logits.dtype == torch.float32


def test_parameters_of_the_published_network() -> None:
    def millions(width: int) -> float:
        return sum(p.numel() for p in UNet("attunet", width).parameters()) / 1e6

    assert round(millions(64), 2) == 34.88
    assert round(millions(32), 2) == 8.73
    assert round(millions(16), 2) == 2.18


def test_normalisation_is_that_of_the_contract() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    found = UNet("unet", 2, mean, std).normalise(levels)
    for channel in range(3):
        expected = (levels[..., channel] / 255 - mean[channel]) / std[channel]
        assert torch.allclose(found[:, channel], expected, atol=1e-6)


def test_state_dict_holds_weights_alone() -> None:
    assert not {"mean", "std"} & UNet("unet", 2).state_dict().keys()


@pytest.mark.parametrize("arch", ["r2attunet", "attunet_lite0"])
def test_gradients_reach_every_weight(arch: Arch) -> None:
    network = UNet(arch, 2)
    network(torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
