import dataclasses
from typing import Any

import numpy as np
import pytest

from app.correction import Corrected, Stroke
from app.i18n import CHINESE, ENGLISH
from app.traffic_light import AMBER, GREEN, GREY, RED, judge_outline
from inference.contract import Contract

FITTED = Contract(16, confidence=(0.0, -1.0, 0.0), check_below=0.8)
STRANGE = dataclasses.replace(FITTED, strangeness=(1.0, 0.0, 0.0, 0.0, 0.0))


def make(inside: float, contract: Contract, **changes: Any) -> Corrected:
    """A square lesion in the middle, of that probability."""
    probability = np.zeros((16, 16), np.float32)
    probability[4:12, 4:12] = inside
    image = np.full((16, 16, 3), 120, np.uint8)
    return Corrected(
        **{
            "source": image,
            "probability": probability,
            "height": 16,
            "width": 16,
            "contract": contract,
            **changes,
        }
    )


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
def test_lights(words: dict[str, str]) -> None:
    dot = Stroke(True, 2.0, np.array([[8, 8]], np.int32))
    moved = make(0.99, FITTED).cut(0.4)
    assert isinstance(moved, Corrected)
    cases = [
        (make(0.99, FITTED), GREEN, "sure"),
        (make(0.6, FITTED), AMBER, "doubtful"),
        (make(0.1, FITTED), RED, "no_lesion"),
        (make(0.99, STRANGE), RED, "not_a_lesion"),
        (make(0.99, Contract(16)), GREY, "unjudged"),
        (moved, GREY, "own_threshold"),
        (make(0.99, FITTED, strokes=(dot,)), GREY, "corrected"),
    ]
    for lesion, light, key in cases:
        contract = FITTED if lesion is moved else lesion.contract
        found, said = judge_outline(lesion, contract, words)
        assert found == light, key
        assert said.startswith(words[key].split("{")[0]) and "{" not in said


def test_a_lesion_at_the_border_is_never_green() -> None:
    lesion = make(0.99, FITTED)
    lesion.probability[:, 4:12] = 0.99
    light, said = judge_outline(lesion, FITTED, ENGLISH)
    assert light == AMBER and said.startswith(ENGLISH["cut_off"])
    assert ENGLISH["sure"] not in said
