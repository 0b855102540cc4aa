import dataclasses
import json

import pytest

from inference.contract import Contract
from inference.errors import InputError


def test_json_round_trip_keeps_every_entry() -> None:
    contract = Contract(
        size=160,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        threshold=0.4,
        largest_region=True,
        fill_holes=True,
        classes=("mole",),
        provenance={"arch": "attunet"},
    )
    assert Contract.from_json(contract.to_json()) == contract


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"size": 64, "version": 99}, "version 99"),
        ({"size": 64, "colours": "BGR"}, "BGR"),
        ({"size": 64, "resize": "nearest"}, "nearest"),
        ({"size": 0}, "size 0"),
        ({"size": 64, "threshold": 1.0}, "threshold 1.0"),
        ({"size": 64, "threshold": None}, "threshold None"),
        ({"size": "64"}, "size '64'"),
        ({"size": True}, "size True"),
        ({"size": 64, "mean": [0.5, 0.5]}, "three numbers"),
        ({"size": 64, "mean": "abc"}, "three numbers"),
        ({"size": 64, "std": [0.5, 0.5, 0]}, "above 0"),
        ({"size": 64, "std": [0.5, 0.5, float("nan")]}, "above 0"),
        ({"size": 64, "largest_region": "no"}, "true or false"),
        ({"size": 64, "classes": [1]}, "names"),
        ({"size": 64, "provenance": []}, "entries by name"),
        ({"size": 64, "letterbox": True}, "letterbox"),
        ({}, "size"),
    ],
)
def test_what_it_does_not_know_is_refused(entries: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        Contract.from_json(json.dumps(entries))


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(InputError, match="unreadable contract"):
        Contract.from_json("size: 64")


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Contract(size=64).size = 32  # type: ignore[misc]
