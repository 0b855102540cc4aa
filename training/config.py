"""Every knob of a training run, once: dataclass -> command line -> checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inference.command import InputError
from training.device import Device
from training.model import MULTIPLE, Arch


@dataclass(frozen=True)
class TrainConfig:
    """Train a network of the U-Net family; writes RUN/last.pt, best.pt, metrics.csv, config.json."""

    data: Path
    """Folder that training.prepare wrote."""
    out: Path = Path("runs/latest")
    """Folder of the run. One that is there already is renamed first, unless --resume."""
    resume: bool = False
    """Go on with the run in --out from its last checkpoint."""

    arch: Arch = "attunet"
    """Network: plain or recurrent residual (r2) blocks, with or without attention gates (att)."""
    width: int = 64
    """Channels of the first level: 64 in the papers; a quarter of it has 1/16 of the cost."""
    size: int = 224
    """Side of the square input in pixels; a multiple of 16."""

    epochs: int = 60
    """Passes over the training images."""
    batch_size: int = 16
    """Images a step."""
    lr: float = 2e-3
    """Highest learning rate; it is reached after the warm-up and falls to 0 along a cosine."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises."""
    momentum: tuple[float, float] = (0.9, 0.999)
    """Betas of AdamW: decay of the mean of the gradients and of their squares."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    clip: float = 1.0
    """Largest norm of all gradients together; 0 leaves them."""
    loss: Literal["bce", "bce_dice"] = "bce_dice"
    """Binary cross-entropy, or its sum with the soft Dice loss."""
    ema: float = 0.995
    """Decay a step of the averaged weights, which are validated and exported; 0 for none."""

    opt_level: Literal["O0", "O1"] = "O0"
    """O0: all in float32. O1: automatic mixed precision (bfloat16 on CPU, else float16)."""
    device: Device = "auto"
    """Where to train; auto takes the accelerator if there is one."""
    workers: int = 2
    """Threads that make batches."""
    seed: int = 0
    """Source of all chance: weights, order and augmentation."""

    def __post_init__(self) -> None:
        rules = {
            "width": (self.width >= 2, "at least 2"),
            "size": (self.size > 0 and self.size % MULTIPLE == 0, f"a multiple of {MULTIPLE}"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "lr": (self.lr > 0, "above 0"),
            "warmup": (0 <= self.warmup < 1, "at least 0 and below 1"),
            "momentum": (all(0 <= beta < 1 for beta in self.momentum), "at least 0 and below 1"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "clip": (self.clip >= 0, "at least 0"),
            "ema": (0 <= self.ema < 1, "at least 0 and below 1"),
            "workers": (self.workers >= 0, "at least 0"),
            "seed": (self.seed >= 0, "at least 0"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} {getattr(self, name)}: must be {rule}; change it")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as checkpoints and config.json keep them."""
        entries = dataclasses.asdict(self)
        return {
            key: str(value) if isinstance(value, Path) else value for key, value in entries.items()
        }
