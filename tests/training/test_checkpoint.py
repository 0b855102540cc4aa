from pathlib import Path

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
