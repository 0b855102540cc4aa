from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest
import torch

from inference.errors import InputError
from training.arguments import read_config
from training.config import make_config
from training.loss import ALPHA, BETA, GAMMA, LOSSES, SMOOTH, LossName

MASKS = torch.zeros(2, 8, 8, dtype=torch.uint8)
MASKS[0, 2:6, 2:6] = 1
MASKS[1, 0, 0] = 1


def sure(masks: torch.Tensor) -> torch.Tensor:
    return (masks.float() * 2 - 1) * 50


@pytest.mark.parametrize("name", LOSSES)
def test_truth_costs_nothing_and_its_opposite_costs_most(name: str) -> None:
    loss = LOSSES[name]
    right, unsure, wrong = (
        loss(logits, MASKS).item() for logits in (sure(MASKS), 0 * sure(MASKS), -sure(MASKS))
    )
    assert right < 1e-3 < unsure < wrong


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_where_all_is_right_and_where_there_is_no_lesion(name: str) -> None:
    for masks in (MASKS, 0 * MASKS):
        logits = sure(masks).requires_grad_()
        LOSSES[name](logits, masks).backward()
        assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_tversky_weighs_what_was_missed_by_its_formula() -> None:
    half = MASKS[:1].clone()
    half[0, 2:4] = 0  # finds 8 of 16 pixels
    expected = 1 - (8 + SMOOTH / 2) / (8 + BETA * 8 + SMOOTH / 2)
    tversky = LOSSES["tversky"](sure(half), MASKS[:1]).item()
    assert math.isclose(tversky, expected, rel_tol=1e-4)
    focal = LOSSES["focal_tversky"](sure(half), MASKS[:1]).item()
    assert math.isclose(focal, expected ** (1 / GAMMA), rel_tol=1e-4)
    swapped = LOSSES["tversky"](sure(MASKS[:1]), half).item()
    assert swapped == pytest.approx(1 - (8 + SMOOTH / 2) / (8 + ALPHA * 8 + SMOOTH / 2), rel=1e-4)


def test_half_precision_logits_lose_nothing() -> None:
    logits = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    for loss in LOSSES.values():
        assert torch.equal(loss(logits, MASKS), loss(logits.float(), MASKS))


def test_a_loss_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "mine", LOSSES["bce"])
    assert make_config(Path("data"), loss="mine").loss == "mine"
    with pytest.raises(InputError, match=r"--loss hinge: must be one of bce, dice, .*, mine"):
        make_config(Path("data"), loss="hinge")
    with pytest.raises(InputError, match="--loss hinge: must be one of") as refused:
        read_config(["--data", "data", "--loss", "hinge"])
    assert all(name in str(refused.value) for name in get_args(LossName))
    assert set(LOSSES) - {"mine"} == set(get_args(LossName))
