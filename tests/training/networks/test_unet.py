import hashlib
from pathlib import Path

import pytest
import torch

from inference.errors import InputError
from training.arguments import read_config
from training.config import make_config
from training.networks import unet
from training.networks.unet import NETWORKS, UNet, require_size, stride_of


@pytest.mark.parametrize("arch", NETWORKS)
def test_bytes_in_logits_out(arch: str) -> None:
    network = UNet(arch, 2).eval()
    height, width = 2 * stride_of(arch), 3 * stride_of(arch)
    images = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits = network(images)
    assert logits.shape == (2, height, width) and logits.dtype == torch.float32


@pytest.mark.parametrize("arch", NETWORKS)
def test_encoders_keep_their_word(arch: str) -> None:
    encoder = UNet(arch, 2).eval().encoder
    side = 2 * encoder.stride
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, side, side))
    assert [maps.shape[1] for maps in features] == list(encoder.channels)
    assert [maps.shape[2] for maps in features] == [2 << k for k in reversed(range(5))]
    assert features[0].shape[2] * encoder.first_stride == side


def test_sizes_suit_the_network() -> None:
    assert [stride_of(arch) for arch in ("attunet", "attunet_lite0", None)] == [16, 32, 32]
    require_size(96, 32)
    with pytest.raises(InputError, match=r"--size 70: must be a multiple of 32; 64 or 96 would do"):
        require_size(70, 32)
    for size in (8, 0, -16):
        with pytest.raises(InputError, match=rf"--size {size}: .* of 16; 16 would do"):
            require_size(size, 16)
    make_config(Path("data"), size=80)
    with pytest.raises(InputError, match="multiple of 32"):
        make_config(Path("data"), size=80, arch="attunet_lite0")


def test_an_unknown_network_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="--arch vnet: no such network; choose from unet, attunet"):
        UNet("vnet")
    with pytest.raises(InputError, match="--arch vnet"):
        make_config(Path("data"), arch="vnet")
    with pytest.raises(InputError, match="--arch vnet: must be one of") as refused:
        read_config(["--data", "data", "--arch", "vnet"])
    assert all(arch in str(refused.value) for arch in NETWORKS)


def test_a_network_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unet.NETWORKS, "mine", NETWORKS["unet"])
    config = make_config(Path("data"), arch="mine")
    assert UNet(config.arch, 2).arch == "mine"


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


@pytest.mark.parametrize(
    ("arch", "pinned"),
    [
        ("unet", "e0a7586eccdcff5c"),
        ("attunet", "368d87c65c82e11e"),
        ("r2unet", "d3ff3d5804ad6398"),
        ("r2attunet", "98229a3e553877d2"),
        ("attunet_lite0", "02ec660cb7264ddc"),
        ("attunet_lite2", "856944eac091e2b6"),
    ],
)
def test_names_of_weights_never_change(arch: str, pinned: str) -> None:
    """Checkpoints of earlier releases are opened by them."""
    names = " ".join(UNet(arch, 2).state_dict())
    assert hashlib.sha256(names.encode()).hexdigest().startswith(pinned)


@pytest.mark.parametrize("arch", ["r2attunet", "attunet_lite0"])
def test_gradients_reach_every_weight(arch: str) -> None:
    network = UNet(arch, 2)
    network(torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
