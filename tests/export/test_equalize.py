import pytest
import torch
from torch import nn

from export.equalize import MIN_SHARE, equalize
from training.networks.blocks import PlainBlock
from training.networks.efficientnet_lite import EfficientNetLite0


def spread(block: nn.Module) -> None:
    """Gives the channels of every normalisation a reach of its own, from 1/20 to 20."""
    torch.manual_seed(5)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            reach = torch.logspace(-1.3, 1.3, module.num_features)
            module.weight.data = reach[torch.randperm(len(reach))]
            module.bias.data = 0.1 * module.weight.data
            module.running_mean.normal_(std=0.1)


def channel_reach(block: nn.Sequential, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Greatest value of each channel behind a layer."""
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _, __, y: seen.append(y.amax(dim=(0, 2, 3)).clone()))
    with torch.no_grad():
        block(x)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("block", [PlainBlock(3, 8), *EfficientNetLite0()])
def test_the_function_stays(block: nn.Sequential) -> None:
    spread(block.eval())
    inputs = next(module for module in block.modules() if isinstance(module, nn.Conv2d)).in_channels
    x = torch.randn(2, inputs, 16, 16)
    with torch.no_grad():
        expected = block(x)
        weights = [weight.clone() for weight in block.parameters()]
        equalize(block)
        found = block(x)
    assert not all(map(torch.equal, weights, block.parameters()))
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_channels_reach_equally_far_in_front_of_depthwise_convolutions() -> None:
    block = EfficientNetLite0()[1][1].eval()
    spread(block)
    x, relu = torch.randn(4, 24, 32, 32), block[2]
    before = channel_reach(block, relu, x)
    equalize(block)
    after = channel_reach(block, relu, x)
    assert before.max() / before.median() > 10 > 3 > after.max() / after.median()


def test_dead_channels_stay_finite() -> None:
    block = PlainBlock(3, 8).eval()
    norm, conv = block[0][1], block[1][0]
    nn.init.zeros_(norm.weight[:2])
    nn.init.zeros_(norm.bias[:2])
    nn.init.zeros_(conv.weight[:, 3])
    nn.init.zeros_(block[1][1].weight)
    nn.init.zeros_(block[1][1].bias)
    before = norm.weight.clone()
    equalize(block)
    assert all(weight.isfinite().all() for weight in block.parameters())
    assert (norm.weight <= before / MIN_SHARE).all()
