"""Every knob of a training run, once: dataclass -> command line -> checkpoint."""

from __future__ import annotations

import dataclasses
import shlex
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, arg

from inference.errors import InputError
from training.data.augment import AUGMENTATIONS, AugmentationName
from training.device import Device
from training.loss import LOSSES, LossName
from training.networks.reference import ARCHS
from training.networks.unet import DEFAULT_SIZE, Arch, require_size, stride_of

Recipe = Literal["default", "reference"]
Flag = Annotated[bool, FlagCreatePairsOff]


@dataclass(frozen=True)
class TrainConfig:
    """Train a network of the U-Net family; writes last.pt, best.pt, metrics.csv and config.json.

    Under torchrun, or with --multiprocessing-distributed, on several devices. The spellings of Ascend's
    ModelZoo (--epoch, --weight_decay, --arch AttU_Net ...) are understood.
    """

    data: Path
    """Folder that training.prepare wrote."""
    out: Path = Path("runs/latest")
    """Folder of the run. One that is there already is renamed first, unless --resume."""
    resume: Flag = False
    """Go on with the run in --out from its last checkpoint, with the settings it has."""
    init: Literal["imagenet"] | Path | None = None
    """Weights to start from, random if left out: a checkpoint, ours or the public reference's, whose test
    images must be yours, or your scores are of images that it knows; or imagenet, for the encoder of
    attunet_lite0."""
    recipe: Recipe = "default"
    """Set of defaults: "reference" is the published training to the letter. Other flags change it."""

    arch: Arch = "attunet"
    """Network: plain or recurrent residual (r2) blocks, with or without attention gates (att); lite0
    has the lighter encoder of EfficientNet-Lite0."""
    width: int = 64
    """Channels of the first level: 64 in the papers; a quarter of it has 1/16 of the cost."""
    size: int = DEFAULT_SIZE
    """Side of the square input in pixels; multiples of 32 suit every network."""
    augmentation: AugmentationName = "strong"
    """Random changes of the training images."""

    epochs: Annotated[int, arg(aliases=["--epoch"])] = 60
    """Passes over the training images."""
    batch_size: int = 16
    """Images a step, over all devices together."""
    accumulate: int = 1
    """Parts in which each device computes its share of a batch, one after the other, to save memory."""
    optimiser: Literal["adamw", "adam"] = "adamw"
    """Adam with decoupled (adamw) or plain (adam) weight decay."""
    lr: float = 2e-3
    """Highest learning rate."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """Fall of the learning rate to 0: along a cosine, step by step; or linearly, epoch by epoch."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises to its highest."""
    decay_epochs: int = 70
    """Last epochs, in which the linear schedule falls; it is constant before."""
    momentum: tuple[float, ...] = (0.9, 0.999)
    """Betas of Adam: decay of the mean of the gradients and of their squares; one will do."""
    weight_decay: float = 0.01
    """Decay of the weights."""
    clip: float = 1.0
    """Largest norm of all gradients together; 0 leaves them."""
    loss: LossName = "bce_dice"
    """Loss: binary cross-entropy, soft Dice, their sum, or one of the Tversky family."""
    ema: float = 0.995
    """Decay a step of the averaged weights, which are validated and exported; 0 for none."""
    patience: int = 0
    """Stop after so many epochs without a better Jaccard index; 0 never."""
    tta: Flag = False
    """Average each validation image over its four mirrorings; it costs four times the time."""

    opt_level: Literal["auto", "O0", "O1", "O2"] = "auto"
    """O0: all in float32. O1: automatic mixed precision. O2: half weights, float32 master weights. auto:
    O2 with --amp, else O0."""
    amp: Flag = False
    """Mixed precision, at --opt-level O2 unless that says another."""
    amp_dtype: Literal["auto", "fp16", "bf16"] = "auto"
    """Half precision of O1 and O2; auto is bf16 on CPU, else fp16."""
    loss_scale: Literal["dynamic"] | float = "dynamic"
    """Factor that keeps fp16 gradients above 0; a fixed one, or one that follows their overflows."""
    compile: Flag = False
    """Compile the training steps with torch.compile: minutes at first, and a C++ compiler is needed.
    Validation is not compiled."""

    device: Device = "auto"
    """Where to train; auto takes the accelerator if there is one."""
    device_list: str = ""
    """Devices to train on, as in 0,1,2,3; those of this machine if left out."""
    multiprocessing_distributed: Flag = False
    """Start a process for each device of --device-list, as torchrun does."""
    addr: str = ""
    """HOST or HOST:PORT of the first of several machines."""
    nodes: int = 1
    """Machines that train together; the same command is started on each."""
    sync_batchnorm: Flag = False
    """Normalise over the images of all devices instead of each device's own."""
    compress_gradients: Flag = False
    """Send gradients between devices in fp16."""

    workers: int = 2
    """Threads that make batches, for each device."""
    save_every: int = 0
    """Save the whole state every so many steps, besides the end of each epoch; 0 for then alone."""
    seed: int = 0
    """Source of all chance: weights, order and augmentation."""

    def __post_init__(self) -> None:
        indices = self.device_list.split(",") if self.device_list else []
        rules = {
            "augmentation": (
                self.augmentation in AUGMENTATIONS,
                f"one of {', '.join(AUGMENTATIONS)}",
            ),
            "loss": (self.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
            "width": (self.width >= 2, "at least 2"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "accumulate": (self.accumulate >= 1, "at least 1"),
            "lr": (self.lr > 0, "above 0"),
            "warmup": (0 <= self.warmup < 1, "at least 0 and below 1"),
            "decay_epochs": (self.decay_epochs >= 1, "at least 1"),
            "momentum": (
                len(self.momentum) in (1, 2) and all(0 <= beta < 1 for beta in self.momentum),
                "one or two numbers, at least 0 and below 1",
            ),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "clip": (self.clip >= 0, "at least 0"),
            "ema": (0 <= self.ema < 1, "at least 0 and below 1"),
            "patience": (self.patience >= 0, "at least 0"),
            "loss_scale": (self.loss_scale == "dynamic" or self.loss_scale > 0, "above 0"),
            "device_list": (
                all(index.strip().isdigit() for index in indices),
                "numbers with commas between them, as in 0,1",
            ),
            "nodes": (self.nodes >= 1, "at least 1"),
            "workers": (self.workers >= 0, "at least 0"),
            "save_every": (self.save_every >= 0, "at least 0"),
            "seed": (self.seed >= 0, "at least 0"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                flag, value = name.replace("_", "-"), getattr(self, name)
                raise InputError(f"--{flag} {value}: must be {rule}; change it")
        require_size(self.size, stride_of(self.arch))

    @property
    def devices(self) -> list[int]:
        """Indices of --device-list; empty if it was left out."""
        return [int(index) for index in self.device_list.split(",") if index]

    @property
    def precision(self) -> Literal["O0", "O1", "O2"]:
        """The level that --opt-level and --amp ask for together."""
        if self.opt_level != "auto":
            return self.opt_level
        return "O2" if self.amp else "O0"

    @property
    def betas(self) -> tuple[float, float]:
        """Both betas of Adam."""
        return self.momentum[0], self.momentum[1] if len(self.momentum) > 1 else 0.999

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as checkpoints and config.json keep them."""
        plain = {Path: str, tuple: list}
        entries = dataclasses.asdict(self)
        return {
            key: next((to(value) for kind, to in plain.items() if isinstance(value, kind)), value)
            for key, value in entries.items()
        }


# LeeJunHyun/Image_Segmentation and Ascend ModelZoo's AttU_Net: what their code does, less its faults.
REFERENCE = {
    "augmentation": "reference",
    "epochs": 150,
    "optimiser": "adam",
    "lr": 2e-4,
    "schedule": "linear",
    "warmup": 0.0,
    "momentum": (0.5, 0.999),
    "weight_decay": 0.0,
    "clip": 0.0,
    "loss": "bce",
    "ema": 0.0,
}
RECIPES: dict[Recipe, dict[str, Any]] = {"default": {}, "reference": REFERENCE}


def make_config(data: Path, recipe: Recipe = "default", **changes: Any) -> TrainConfig:
    """A recipe with changes."""
    return TrainConfig(**{"data": data, "recipe": recipe, **RECIPES[recipe], **changes})


def to_flags(entries: dict[str, Any], default: dict[str, Any]) -> str:
    """What differs from a default, as one would type it; both as `TrainConfig.to_dict` has them."""
    words = []
    for name, value in entries.items():
        if value != default.get(name):
            values = value if isinstance(value, list) else [] if value is True else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def read_config(arguments: Sequence[str]) -> TrainConfig:
    """Reads a command line: the recipe it names gives the defaults of all other flags.

    Exits, with a message, on a flag that there is not; --help shows the recipe's own defaults.

    Raises:
        InputError: a value is out of its range.
    """
    arguments = [ARCHS.get(argument, argument) for argument in arguments]
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe", default="default")
    recipe = first.parse_known_args(arguments)[0].recipe
    default = make_config(tyro.MISSING, recipe if recipe in RECIPES else "default")
    return tyro.cli(TrainConfig, args=arguments, default=default, prog="python -m training.train")
