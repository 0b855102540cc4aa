"""How a checkpoint was trained, as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference.errors import InputError
from training import checkpoint as checkpoints
from training.config import make_config, to_flags

# Of the machine, not of the recipe.
PLACES = {"data", "out", "init", "resume", "recipe", "device", "workers", "save_every"}


def describe_recipe(checkpoint: Path) -> str:
    """The commands that trained a checkpoint: its own, after those of the checkpoints it started from.

    Raises:
        InputError: a checkpoint that it started from is no longer there.
    """
    commands: list[str] = []
    following: str | None = str(checkpoint)
    while following and following != "imagenet":
        if not Path(following).is_file():
            raise InputError(
                f"{following}: no such file, but {checkpoint} started from it; run this in the folder "
                "where the training was started"
            )
        record = checkpoints.load(Path(following))
        if "config" not in record:  # someone else's
            break
        commands.insert(0, to_command(record["config"]))
        following = record["config"].get("init")
    return "\n".join(commands)


def to_command(config: dict[str, Any]) -> str:
    """The command line of a configuration: its folders, and what differs from its recipe."""
    shown = {name: value for name, value in config.items() if name not in PLACES}
    first = {name: config[name] for name in ("data", "out", "init") if config.get(name)}
    if config["recipe"] != "default":
        first["recipe"] = config["recipe"]
    default = make_config(Path("data"), config["recipe"]).to_dict()
    return f"python -m training.train {to_flags(first, {})} {to_flags(shown, default)}"
