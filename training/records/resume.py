"""Loads the state that a run is resumed from, and refuses one of other settings or data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference.errors import InputError
from training import checkpoint
from training.config import TrainConfig, make_config, to_flag, to_flags

LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"
# Settings that may differ when a run is resumed: they change where and how fast it trains, not what.
FREE = (
    "resume allow_changed_data data out device device_list multiprocessing_distributed addr nodes "
    "workers save_every compile"
).split()


def load_state(
    config: TrainConfig, data: dict[str, Any]
) -> tuple[dict[str, Any] | None, list[str]]:
    """Loads the last intact state of the run in --out; None if it has no state yet.

    Args:
        data: `Split.describe` of its splits, by name.

    Returns:
        The state, and remarks for the user.

    Raises:
        InputError: there is no such run, none of its states is intact, or its settings or data differ.
    """
    if not config.out.is_dir():
        raise InputError(f"--resume: {config.out} is not a run; check --out, or leave --resume out")
    files = [config.out / name for name in (LAST, PREVIOUS) if (config.out / name).exists()]
    if not files:
        return None, [f"{config.out} has no checkpoint yet: starting from the beginning"]
    state, remarks = load_intact(files)
    require_same(config, state["config"])
    before = state.get("data", data)  # states of earlier releases say nothing of it
    remarks += compare_data(config, data, before)
    return state, remarks


def load_intact(files: list[Path]) -> tuple[dict[str, Any], list[str]]:
    """Loads the first intact state of several, and reports those that are not.

    Raises:
        InputError: none is intact.
    """
    remarks: list[str] = []
    for file in files:
        try:
            state = checkpoint.load(file)
            if lacking := {"config", "weights", "stepper", "position"} - state.keys():
                raise InputError(
                    f"{file}: not the state of a run: it lacks {', '.join(sorted(lacking))}"
                )
            return state, remarks
        except InputError as error:
            if file == files[-1]:
                raise
            remarks.append(f"{error}; trying the checkpoint before")
    raise AssertionError("there are files")


def require_same(config: TrainConfig, before: dict[str, Any]) -> None:
    """Refuses to resume a run with other settings; only --epochs may grow.

    Raises:
        InputError: settings that are not FREE differ.
    """
    before = {**make_config(config.data).to_dict(), **before}  # of settings younger than the run
    differing = {
        name: value
        for name, value in config.to_dict().items()
        if name not in FREE and before[name] != value
    }
    if differing.get("epochs", 0) > before["epochs"]:
        del differing["epochs"]
    if differing:
        had = " ".join(f"{to_flag(name)} {before[name]}" for name in differing)
        raise InputError(
            f"{to_flags(differing, {})}: a resumed run keeps its settings, and the one in {config.out} "
            f"has {had}; leave these flags out (only --epochs may be increased), or give another --out "
            "and no --resume"
        )


def compare_data(config: TrainConfig, data: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """What changed in the data since the state was saved, if --allow-changed-data allows it.

    Raises:
        InputError: something did, and it does not.
    """
    changes = [
        f"{config.data / split}: its {found['images']} images and masks are not the "
        f"{before[split]['images']} that the run in {config.out} was trained on"
        for split, found in data.items()
        if found != before[split]
    ]
    if changes and not config.allow_changed_data:
        raise InputError(
            f"{changes[0]}; restore them, or add --allow-changed-data to continue with these"
        )
    return changes
