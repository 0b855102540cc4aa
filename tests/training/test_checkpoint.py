from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.errors import InputError
from training import checkpoint
from training.networks.unet import UNet


def test_a_failed_save_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"epoch": 1})
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save(path, {"epoch": (line for line in "no plain value")})
    assert checkpoint.load(path) == {"epoch": 1} and list(tmp_path.iterdir()) == [path]


def test_damage_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(UNet("unet", 2), path)  # the whole object, which would run code when it is loaded
    with pytest.raises(InputError, match="a whole pickled network"):
        checkpoint.load(path)
    for data in (b"", b"text", bytes(100)):
        path.write_bytes(data)
        with pytest.raises(InputError) as error:
            checkpoint.load(path)
        assert "\n" not in str(error.value)


def flip(content: bytes, position: int) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 4
    return bytes(changed)


def test_every_flipped_byte_of_ours_is_noticed(tmp_path: Path) -> None:
    """Those of the weights, of the directory and padding around them, and of the checksum itself."""
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"weights": UNet("unet", 2).state_dict()})
    whole = path.read_bytes()
    assert checkpoint.load(path).keys() == {"weights"}
    assert torch.load(path, weights_only=True).keys() == {"weights"}
    chance = random.Random(0)
    ends = [*range(60), *range(len(whole) - 60, len(whole))]
    for position in [*ends, *chance.sample(range(len(whole)), 60)]:
        path.write_bytes(flip(whole, position))
        with pytest.raises(InputError, match=r"last\.pt: ") as error:
            checkpoint.load(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("save", [torch.save, checkpoint.save])
def test_a_flipped_weight_is_named_as_damage(save: Callable[..., Any], tmp_path: Path) -> None:
    """Also in a file of torch's, such as a public reference's."""
    values, path = torch.arange(999.0), tmp_path / "AttU_Net.pkl"
    arguments = ({"a": values}, path)
    save(*arguments if save is torch.save else arguments[::-1])
    whole = path.read_bytes()
    place = whole.index(values.numpy().tobytes())
    for position in (place, place + 1999, place + 3995):
        path.write_bytes(flip(whole, position))
        with pytest.raises(InputError, match=r"pkl: damaged since .* checksum .*differs"):
            checkpoint.load(path)


def test_files_of_torchs_first_format_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(checkpoint.load(path)["a"], torch.ones(3))
