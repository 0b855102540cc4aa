"""How a checkpoint was trained, as commands."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from inference.errors import InputError
from training import checkpoint as checkpoints
from training.config import make_config, to_flags

# Of the machine, not of the recipe.
PLACES = {"data", "out", "init", "teachers", "resume", "recipe", "device", "workers", "save_every"}


def describe_recipe(checkpoint: Path) -> str:
    """The commands that trained a checkpoint: its own, after those of the checkpoints it learnt from.

    Raises:
        InputError: it is no checkpoint, or one that it learnt from is no longer there.
    """
    return "\n".join(list_commands(checkpoint, checkpoint))


def list_commands(checkpoint: Path, last: Path) -> list[str]:
    """The commands that trained `checkpoint`, each once, in an order that works; `last` is for errors."""
    if checkpoint != last and not checkpoint.is_file():
        raise InputError(
            f"{checkpoint}: no such file, but {last} learnt from it; run this in the folder "
            "where the training was started"
        )
    record = checkpoints.load(checkpoint)
    if "config" not in record:  # someone else's
        return []
    config = record["config"]
    averaged = record.get("averaged", [])
    sources = averaged or [config.get("init"), *config.get("teachers", [])]
    earlier = [
        command
        for source in sources
        if source and source != "imagenet"
        for command in list_commands(Path(source), last)
    ]
    command = to_average(averaged, record["out"]) if averaged else to_command(config)
    return list(dict.fromkeys([*earlier, command]))


def to_average(sources: list[str], out: str) -> str:
    """The command line that averages checkpoints."""
    return f"python -m export.average {shlex.join(sources)} --out {shlex.quote(out)}"


def to_command(config: dict[str, Any]) -> str:
    """The command line of a configuration: its folders, and what differs from its recipe."""
    shown = {name: value for name, value in config.items() if name not in PLACES}
    first = {name: config[name] for name in ("data", "out", "init", "teachers") if config.get(name)}
    if config["recipe"] != "default":
        first["recipe"] = config["recipe"]
    default = make_config(Path("data"), config["recipe"]).to_dict()
    return f"python -m training.train {to_flags(first, {})} {to_flags(shown, default)}"
