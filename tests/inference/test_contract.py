import dataclasses
import json
import subprocess
import sys

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
        provenance={"arch": "attunet"},
        confidence=(-3.0, -1.7, 0.2),
        check_below=0.8,
        strangeness=(3.6, -2, 1.4, -4.2, 7.8),
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
        ({"size": 64, "provenance": []}, "a dictionary"),
        ({"size": 64, "letterbox": True}, "letterbox"),
        ({"size": 64, "confidence": [1, 2], "check_below": 0.8}, "three numbers"),
        ({"size": 64, "confidence": [1, 2, float("nan")], "check_below": 0.8}, "three numbers"),
        ({"size": 64, "confidence": [1, 2, 1e9], "check_below": 0.8}, "three numbers"),
        ({"size": 64, "confidence": "abc", "check_below": 0.8}, "three numbers"),
        ({"size": 64, "confidence": {"a": 1}, "check_below": 0.8}, "three numbers"),
        ({"size": 64, "confidence": [1, 2, 3]}, "check_below None"),
        ({"size": 64, "confidence": [1, 2, 3], "check_below": 1}, "check_below 1"),
        ({"size": 64, "confidence": [1, 2, 3], "check_below": "0.8"}, "between 0 and 1"),
        ({"size": 64, "check_below": 0.8}, "there with confidence alone"),
        ({"size": 64, "strangeness": [1, 2, 3, 4, 5]}, "there with confidence alone"),
        (
            {"size": 64, "confidence": [1, 2, 3], "check_below": 0.8, "strangeness": [1, 2]},
            "five numbers",
        ),
        ({}, "size"),
    ],
)
def test_what_it_does_not_know_is_refused(entries: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        Contract.from_json(json.dumps(entries))


@pytest.mark.parametrize("text", ["size: 64", "[64]", "64"])
def test_what_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="unreadable contract"):
        Contract.from_json(text)


def test_contracts_of_earlier_releases_are_read() -> None:
    """They name the classes, which nothing ever read; the files that shipped do, too."""
    old = '{"size": 64, "classes": ["lesion"], "threshold": 0.4}'
    assert Contract.from_json(old) == Contract(size=64, threshold=0.4)
    assert "classes" not in Contract.from_json(old).to_json()


def test_what_nobody_fitted_is_left_out() -> None:
    """So that earlier releases read the files too, and their journals name the same contract."""
    text = Contract(size=64).to_json()
    assert not {"confidence", "check_below", "strangeness"} & set(json.loads(text))
    assert Contract.from_json(text).confidence is None


def test_reading_it_loads_no_command_line() -> None:
    code = "import sys, inference.contract; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "inference.contract" in loaded
    assert not {"tyro", "rich", "numpy", "cv2", "onnxruntime"} & loaded


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Contract(size=64).size = 32  # type: ignore[misc]
