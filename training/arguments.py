"""The command line of training.train: recipes, runs that are resumed, ModelZoo's spellings."""

from __future__ import annotations

import json
from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import tyro

from inference.arguments import parse
from inference.errors import InputError
from training.config import RECIPES, TrainConfig, make_config
from training.networks.reference import ARCHS
from training.records.run_folder import CONFIG

# Of the scripts of ModelZoo's AttU_Net and of the public reference that it was made of.
SPELLINGS = {
    "--data-path": "--data",
    "--result-path": "--out",
    "--model-type": "--arch",
    "--epoch": "--epochs",
    "--num-epochs": "--epochs",
    "--num-worker": "--workers",
    "--num-workers": "--workers",
    "--distributed": "--multiprocessing-distributed",
    "--npu-idx": "--device-list",
    "--apex": "--amp",
    "--apex-opt-level": "--opt-level",
    "--loss-scale-value": "--loss-scale",
}


@dataclass(frozen=True)
class Typed(TrainConfig):
    __doc__ = TrainConfig.__doc__

    def __post_init__(self) -> None:
        """Checks nothing: a value that is out of range is told by `TrainConfig`, as everywhere."""


def read_config(arguments: Sequence[str]) -> TrainConfig:
    """Parses a command line; what was not typed comes from the recipe, or from the run to resume.

    Exits at --help, which shows the recipe's defaults.

    Raises:
        InputError: an option is unknown, a value is none or out of range, or the run's settings cannot be
            read.
    """
    arguments = spell(arguments)
    first = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--recipe", nargs="?", default="default")
    first.add_argument(
        "--out", type=Path, nargs="?", default=TrainConfig.out, const=TrainConfig.out
    )
    first.add_argument("--resume", action="store_true")
    try:
        given = first.parse_known_args(arguments)[0]
    except ArgumentError:  # told below
        given = first.parse_args([])
    default = make_config(tyro.MISSING, given.recipe if given.recipe in RECIPES else "default")
    if given.resume and (given.out / CONFIG).exists():
        default = replace(read_run(given.out), resume=False, allow_changed_data=False)
        # tyro has no flag for what is already true.
        true = {name for name, value in vars(default).items() if value is True}
        arguments = [a for a in arguments if a[2:].replace("-", "_") not in true]
    typed = parse(
        Typed, args=arguments, default=Typed(**vars(default)), prog="python -m training.train"
    )
    return TrainConfig(**vars(typed))


def spell(arguments: Sequence[str]) -> list[str]:
    """Arguments in our spelling: flags with hyphens, networks by our names."""
    spelled: list[str] = []
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag.startswith("--"):
            flag = flag.replace("_", "-")
            flag = SPELLINGS.get(flag, flag)
            value = ARCHS.get(value, value) if flag == "--arch" else value
            argument = f"{flag}{equals}{value}"
        elif spelled and spelled[-1] == "--arch":
            argument = ARCHS.get(argument, argument)
        spelled.append(argument)
    return spelled


def read_run(run: Path) -> TrainConfig:
    """The settings of a run; those that it does not name, of an earlier release, are its recipe's.

    Raises:
        InputError: its config.json is damaged.
    """
    try:
        entries: dict[str, Any] = json.loads((run / CONFIG).read_text(encoding="utf-8"))
        known = {field.name for field in fields(TrainConfig)}
        settings = {name: value for name, value in entries.items() if name in known}
        if settings.get("init") not in (None, "imagenet"):
            settings["init"] = Path(settings["init"])
        settings["momentum"] = tuple(settings["momentum"])
        settings["teachers"] = tuple(map(Path, settings.get("teachers", ())))
        return make_config(**{**settings, "data": Path(settings["data"]), "out": run})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{run / CONFIG}: cannot be read as the settings of a run ({error!r}); restore it, or train "
            "again without --resume"
        ) from error
