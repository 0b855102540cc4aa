"""Few attacks of each kind; `python -m tests.attacks` tries many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.attacks.attacks import ATTACKS, attack, count_lost


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_lost(name: str, model: Path, tmp_path: Path) -> None:
    count = {"bad images": 30, "kills": 2, "full disks": 3}[name]
    row = attack(name, tmp_path, model, count)
    assert (row.tried, row.lost) == (count, 0)


def test_a_loss_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"other")
    (tmp_path / "masks.csv").write_text(f"image{os.linesep}a.jpg{os.linesep}")
    undisturbed = {"a.png": b"mask", "b.png": b"mask", "masks.csv": b""}
    assert count_lost(tmp_path, undisturbed, {"a.jpg", "b.jpg"}, {"c.jpg"}) == 4
