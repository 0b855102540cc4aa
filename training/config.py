"""The settings of a training run, each typed once: dataclass -> command line -> checkpoint."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, arg

from inference.errors import InputError
from training.data.augment import AUGMENTATIONS, AugmentationName
from training.device import Device
from training.loss import LOSSES, LossName
from training.networks.unet import DEFAULT_SIZE, Arch, require_size, stride_of
from training.precision import Half, Level, LossScale

MAX_WIDTH, MAX_WORKERS = 1024, 256
ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
Recipe = Literal["default", "reference"]
Flag = Annotated[bool, FlagCreatePairsOff]


@dataclass(frozen=True)
class TrainConfig:
    """Train a segmentation network; writes last.pt, best.pt, metrics.csv and more to the folder --out.

    To train on several devices, use torchrun or --multiprocessing-distributed. The spellings of Ascend's
    ModelZoo are accepted too: --data_path, --num_epochs, --model_type AttU_Net, --apex ...
    """

    data: Path
    """Data set: a folder that training.prepare wrote."""
    fold: int | None = None
    """Cross-validation: the fold to validate on, counted from 0; all other folds of training.prepare
    --folds are trained on. Default: use train and valid as they are."""
    out: Path = Path("runs/latest")
    """Folder for the run. An earlier run there is renamed first, unless you --resume it."""
    resume: Flag = False
    """Continue the run in --out from its last checkpoint, with its settings, which you need not repeat.
    --epochs may be increased; the learning rate then follows the schedule of the longer run."""
    allow_changed_data: Flag = False
    """Resume even if images or masks have changed since the run was started."""
    init: Literal["imagenet"] | Path | None = None
    """Initial weights: a checkpoint, ours or the public reference's, or "imagenet" for the encoder of
    attunet_lite0 or attunet_lite2; random by default. Make sure that the checkpoint was not trained on
    your test images, or your scores will be too good."""
    teachers: tuple[Path, ...] = ()
    """Checkpoints to distil (knowledge distillation): their mean prediction is blended into each mask. As
    with --init, make sure that they were not trained on your test images."""
    teacher_share: float = 0.5
    """Weight of the teachers in the target; the mask has the rest."""
    recipe: Recipe = "default"
    """Set of defaults; "reference" is exactly the published recipe. Other flags override it."""

    arch: Arch = "attunet"
    """Network: a U-Net with plain or recurrent residual (r2) blocks and optional attention gates (att);
    attunet_lite0 and attunet_lite2 have lighter EfficientNet-Lite encoders."""
    width: int = 64
    """Channels of the first level; 64 in the papers. A quarter of the width costs 1/16."""
    size: int = DEFAULT_SIZE
    """Side of the square input in pixels; multiples of 32 suit every network."""
    augmentation: AugmentationName = "strong"
    """Augmentation of the training images."""

    epochs: int = 60
    """Passes over the training images."""
    batch_size: int = 16
    """Images per update, over all devices together."""
    accumulate: int = 1
    """Gradient accumulation: each device splits its share of a batch into this many parts, to save
    memory."""
    optimiser: Annotated[Literal["adamw", "adam"], arg(aliases=["--optimizer"])] = "adamw"
    """Adam with decoupled (adamw) or plain (adam) weight decay."""
    lr: float = 2e-3
    """Peak learning rate."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """How the learning rate falls to 0: along a cosine, every step; or linearly, every epoch."""
    warmup: float = 0.1
    """Fraction of all steps over which the learning rate rises to its peak."""
    decay_epochs: int = 70
    """Number of epochs at the end in which the linear schedule decays; before them it is constant."""
    momentum: tuple[float, ...] = (0.9, 0.999)
    """Adam's betas, for the running means of gradients and of their squares; the second is optional."""
    weight_decay: float = 0.01
    """Weight decay."""
    clip: float = 1.0
    """Clip gradients to this norm; 0 turns it off."""
    loss: LossName = "bce_dice"
    """Loss: binary cross-entropy, soft Dice, their sum, or one of the Tversky family."""
    ema: float = 0.995
    """Decay per step of the exponential moving average of the weights, which is what is validated and
    exported; 0 turns it off."""
    patience: int = 0
    """Stop after this many epochs without a better Jaccard index; 0: never stop early."""
    tta: Flag = False
    """Validate with test-time augmentation, the mean over four flips; takes four times as long."""

    opt_level: Literal["auto", "O0", "O1", "O2"] = "auto"
    """O0: float32. O1: automatic mixed precision. O2: half-precision weights with float32 master weights.
    auto: O2 with --amp, else O0."""
    amp: Flag = False
    """Mixed precision: O2, unless --opt-level says otherwise."""
    amp_dtype: Half = "auto"
    """Half-precision type of O1 and O2; auto: bf16 on CPU, else fp16."""
    loss_scale: LossScale = "dynamic"
    """Loss scaling, which prevents underflow of fp16 gradients: a fixed number, or dynamic."""
    compile: Flag = False
    """Compile training steps with torch.compile; the first step then takes minutes, and needs a C++
    compiler. Validation is not compiled."""

    device: Device = "auto"
    """Device to train on; auto: the accelerator if there is one, else the CPU."""
    device_list: str = ""
    """Indices of the devices to train on, as in 0,1,2,3; default: all devices of this machine."""
    multiprocessing_distributed: Flag = False
    """Start one process for each device in --device-list, as torchrun does."""
    addr: str = ""
    """HOST or HOST:PORT of the first machine, if there are several; port 29500 by default."""
    nodes: int = 1
    """Number of machines to train on; start the same command on each."""
    sync_batchnorm: Flag = False
    """Synchronise batch normalisation over all devices."""
    compress_gradients: Flag = False
    """Send gradients between devices in fp16."""

    workers: int = 2
    """Threads per device that load and augment images."""
    save_every: int = 0
    """Also save a checkpoint every this many steps; 0: only at the end of each epoch."""
    seed: int = 0
    """Random seed for weights, order and augmentation."""

    def __post_init__(self) -> None:
        indices = self.device_list.split(",") if self.device_list else []
        rules = {
            "fold": (self.fold is None or self.fold >= 0, "at least 0"),
            "width": (2 <= self.width <= MAX_WIDTH, f"2 to {MAX_WIDTH}"),
            "augmentation": (
                self.augmentation in AUGMENTATIONS,
                f"one of {', '.join(AUGMENTATIONS)}",
            ),
            "loss": (self.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
            "teacher_share": (0 <= self.teacher_share <= 1, "from 0 to 1"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "accumulate": (self.accumulate >= 1, "at least 1"),
            "lr": (0 < self.lr < math.inf, "above 0, and finite"),
            "warmup": (0 <= self.warmup < 1, "at least 0 and below 1"),
            "decay_epochs": (self.decay_epochs >= 1, "at least 1"),
            "momentum": (
                len(self.momentum) in (1, 2) and all(0 <= beta < 1 for beta in self.momentum),
                "one or two numbers, at least 0 and below 1",
            ),
            "weight_decay": (0 <= self.weight_decay < math.inf, "at least 0, and finite"),
            "clip": (0 <= self.clip < math.inf, "at least 0, and finite; 0 clips nothing"),
            "ema": (0 <= self.ema < 1, "at least 0 and below 1"),
            "patience": (self.patience >= 0, "at least 0"),
            "loss_scale": (
                self.loss_scale == "dynamic" or 0 < self.loss_scale < math.inf,
                "dynamic, or a finite number above 0",
            ),
            "device_list": (
                all(re.fullmatch("[0-9]{1,4}", index.strip()) for index in indices)
                and len({int(index) for index in indices}) == len(indices),
                "different numbers with commas between them, as in 0,1",
            ),
            "addr": (
                not self.addr
                or (
                    (match := ADDRESS.fullmatch(self.addr)) is not None
                    and int(match[1] or 0) < 2**16
                ),
                "HOST or HOST:PORT, as in 10.0.0.1:29500, with a port below 65536",
            ),
            "nodes": (
                self.nodes == 1 or (self.nodes > 1 and self.addr != ""),
                "at least 1, and several need --addr HOST, the first of these machines",
            ),
            "workers": (0 <= self.workers <= MAX_WORKERS, f"0 to {MAX_WORKERS}"),
            "save_every": (self.save_every >= 0, "at least 0"),
            "seed": (0 <= self.seed < 2**63, "at least 0, and below 2**63"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise InputError(f"{to_flag(name)} {getattr(self, name)}: must be {rule}")
        require_size(self.size, stride_of(self.arch))

    @property
    def devices(self) -> list[int]:
        """Indices in --device-list; empty if it was not given."""
        return [int(index) for index in self.device_list.split(",") if index]

    @property
    def device_flag(self) -> str:
        """The flag that asks for devices of their own, as it was typed; empty if none does."""
        if self.device_list:
            return f"--device-list {self.device_list}"
        if self.multiprocessing_distributed:
            return "--multiprocessing-distributed"
        return f"--nodes {self.nodes}" if self.nodes > 1 else ""

    @property
    def level(self) -> Level:
        """The precision level that --opt-level and --amp ask for together."""
        if self.opt_level != "auto":
            return self.opt_level
        return "O2" if self.amp else "O0"

    @property
    def betas(self) -> tuple[float, float]:
        """Both betas of Adam."""
        return self.momentum[0], self.momentum[1] if len(self.momentum) > 1 else 0.999

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in checkpoints and config.json."""

        def plain(value: Any) -> Any:
            if isinstance(value, tuple):
                return [plain(item) for item in value]
            return str(value) if isinstance(value, Path) else value

        return {key: plain(value) for key, value in dataclasses.asdict(self).items()}


# What LeeJunHyun/Image_Segmentation and Ascend ModelZoo's AttU_Net do, without their bugs.
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
    """The settings of a recipe, with changes."""
    return TrainConfig(**{"data": data, "recipe": recipe, **RECIPES[recipe], **changes})


def to_flag(name: str) -> str:
    """A setting's name, as one would type it."""
    return f"--{name.replace('_', '-')}"


def to_flags(entries: dict[str, Any], default: dict[str, Any]) -> str:
    """The flags, as one would type them, of settings that differ from a default.

    Args:
        entries, default: as `TrainConfig.to_dict` returns them.
    """
    words = []
    for name, value in entries.items():
        if value != default.get(name):
            values = value if isinstance(value, list) else [] if value is True else [value]
            words += [to_flag(name), *map(str, values)]
    return shlex.join(words)
