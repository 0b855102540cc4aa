"""Averages the weights of checkpoints of one network that were trained from one another.

python -m export.average runs/first/best.pt runs/second/best.pt --out runs/mean.pt

A network and what it became in further training often do better as the mean of their weights than either
alone, on other images most of all, at the cost of one: Wortsman et al. 2022, arXiv:2109.01903 and
arXiv:2203.05482. Weights that were trained apart from the beginning do not average to anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor
from tyro.conf import Positional, arg

from inference.cli import run, say
from inference.errors import InputError
from training import checkpoint
from training.weights import open_network

OTHER_FILE = "free some space, or give another --out"


def average(
    sources: Annotated[
        tuple[Path, ...], Positional, arg(name="checkpoints", metavar="CHECKPOINT [CHECKPOINT ...]")
    ],
    out: Annotated[Path, arg(metavar="CHECKPOINT")],
) -> None:
    """Average the weights of several checkpoints of one network, to export or to train further.

    Score it on validation images before you trust it: export.to_onnx, then inference.evaluate.

    Args:
        sources: best.pt of two or more runs that were started from one another (--init).
        out: Checkpoint to write; its size, threshold and post-processing are those of the last one.
    """
    if len(sources) < 2:
        raise InputError(f"{len(sources)} checkpoints: give two or more")
    if out.exists():
        raise InputError(f"--out {out}: already exists; choose another, or delete it")
    records = [read_record(path) for path in sources]
    first = records[0]
    for path, record in zip(sources, records):
        if list_shapes(record) != list_shapes(first):
            raise InputError(
                f"{path}: its network differs from that of {sources[0]}; "
                "give checkpoints of the same network"
            )
    weights = {
        name: mean_of([record["weights"][name] for record in records]) for name in first["weights"]
    }
    averaged = {"averaged": [path.as_posix() for path in sources], "out": out.as_posix()}
    entries = {name: records[-1][name] for name in ("config", "contract")}
    checkpoint.save(out, {**entries, **averaged, "weights": weights}, OTHER_FILE)
    say(f"{out}: the mean of {len(sources)} checkpoints")


def read_record(path: Path) -> dict[str, Any]:
    """Config, contract and weights of a checkpoint of ours, those of the moving average if it has one.

    Raises:
        InputError: it cannot be opened, or holds a network of someone else's.
    """
    network, _ = open_network(path)
    record = checkpoint.load(path)
    if "config" not in record:
        raise InputError(f"{path}: not a checkpoint of training.train; give best.pt of a run")
    return {**record, "weights": network.state_dict()}


def list_shapes(record: dict[str, Any]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in record["weights"].items()}


def mean_of(tensors: list[Tensor]) -> Tensor:
    """The mean of floating-point tensors; of others, which count steps, the last."""
    if not tensors[0].is_floating_point():
        return tensors[-1]
    return torch.stack(tensors).mean(0)


if __name__ == "__main__":
    run(average)
