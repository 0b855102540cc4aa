"""A segmentation is cut, measured, drawn and written."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import read_image, read_levels, read_mask
from inference.masks.formats.registry import FORMATS, find_format
from inference.masks.segmentation import SHOWN, Segmentation


@pytest.fixture
def lesion() -> Segmentation:
    """Two regions, one of them with a hole."""
    probability = np.zeros((16, 16), np.float32)
    probability[2:11, 2:11] = 0.9
    probability[5:8, 5:8] = 0.1
    probability[13:15, 13:15] = 0.7
    image = np.full((32, 48, 3), 200, np.uint8)
    return Segmentation(image, probability, 32, 48, Contract(size=16))


def test_another_threshold_or_clean_up(lesion: Segmentation) -> None:
    assert lesion.mask.shape == (32, 48) and lesion.mask[8, 12]
    assert lesion.mask[27, 41] and not lesion.mask[13, 19]
    assert not lesion.cut(threshold=0.8).mask[27, 41]
    assert not lesion.cut(largest_region=True).mask[27, 41]
    assert lesion.cut(fill_holes=True).mask[13, 19]
    assert lesion.cut().contract == lesion.contract
    cleaned = lesion.cut(largest_region=True).cut(fill_holes=True).cut(largest_region=False)
    assert cleaned.contract == Contract(size=16, fill_holes=True)
    with pytest.raises(InputError, match="threshold 7"):
        lesion.cut(threshold=7)


def test_what_is_drawn_and_measured(lesion: Segmentation) -> None:
    assert lesion.measures.area_px == lesion.lesion.area == np.count_nonzero(lesion.mask)
    overlay = lesion.overlay()
    assert overlay.shape == (32, 48, 3) and (overlay != 200).any() and (lesion.image == 200).all()


def test_a_notebook_shows_it(lesion: Segmentation, judged: Segmentation) -> None:
    share = lesion.lesion.area / (32 * 48)
    assert repr(lesion) == f"<Segmentation of an array: 48 x 32 pixels, lesion {share:.1%}>"
    assert re.fullmatch(
        r"<Segmentation of .*, expected Jaccard 0\.\d\d(, to be checked)?>", repr(judged)
    )
    named = dataclasses.replace(lesion, source=Path("a.jpg"))
    assert repr(named).startswith("<Segmentation of a.jpg: ")
    shown = cv2.imdecode(np.frombuffer(lesion._repr_png_(), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(shown, lesion.overlay())
    image = np.full((900, 700, 3), 200, np.uint8)
    large = dataclasses.replace(lesion, source=image, height=900, width=700)
    shown = cv2.imdecode(np.frombuffer(large._repr_png_(), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown is not None and shown.shape == (SHOWN, round(700 * SHOWN / 900), 3)


@pytest.fixture
def judged() -> Segmentation:
    """A sharp disc on skin, by a contract that says how far it can be trusted."""
    rows, columns = np.indices((64, 64)) - 32
    inside = np.hypot(rows, columns) < 15
    noise = np.random.default_rng(0).integers(-8, 8, (64, 64, 3))
    image = (np.where(inside[..., None], (90, 60, 50), (210, 170, 150)) + noise).astype(np.uint8)
    contract = Contract(
        size=64,
        confidence=(-3.0, -1.7, 0.2),
        check_below=0.8,
        strangeness=(3.6, -2, 1.4, -4.2, 7.8),
    )
    return Segmentation(image, np.where(inside, 0.99, 0.01).astype(np.float32), 64, 64, contract)


def test_a_sure_outline_is_trusted(judged: Segmentation) -> None:
    assert judged.expected_jaccard is not None and judged.expected_jaccard > 0.9
    assert judged.needs_check is False and judged.warning is None
    doubtful = dataclasses.replace(judged, probability=judged.probability * np.float32(0.6))
    assert doubtful.expected_jaccard is not None and doubtful.expected_jaccard < 0.4
    assert doubtful.needs_check is True


def test_an_empty_mask_is_said_to_be_empty(judged: Segmentation) -> None:
    empty = dataclasses.replace(judged, probability=np.zeros((64, 64), np.float32))
    assert (
        empty.expected_jaccard == 0 and empty.warning == "no lesion" and empty.needs_check is True
    )
    # One pixel of the map, which falls between those of a small image.
    lost = np.zeros((64, 64), np.float32)
    lost[10, 10] = 1
    small = dataclasses.replace(judged, probability=lost, height=4, width=4)
    assert not small.lesion.area and small.expected_jaccard == 0 and small.warning == "no lesion"


def test_a_picture_of_something_else(judged: Segmentation) -> None:
    page = np.full((64, 64, 3), 255, np.uint8)
    page[20:22, 5:60] = 0
    other = dataclasses.replace(judged, source=page)
    assert other.warning == "not a lesion" and other.needs_check is True
    seen = dataclasses.replace(other, pixels=judged.source)  # what the model saw counts
    assert seen.warning is None


def test_what_the_contract_does_not_say_is_not_known(judged: Segmentation) -> None:
    silent = dataclasses.replace(judged, contract=Contract(size=64))
    assert silent.expected_jaccard is silent.needs_check is silent.warning is None
    empty = dataclasses.replace(silent, probability=np.zeros((64, 64), np.float32))
    assert empty.warning == "no lesion" and empty.needs_check is None
    half = dataclasses.replace(judged.contract, strangeness=None)
    assert dataclasses.replace(judged, contract=half).needs_check is False


def test_it_is_fitted_at_the_contracts_threshold_alone(judged: Segmentation) -> None:
    assert judged.cut(threshold=0.5, fill_holes=True).expected_jaccard == judged.expected_jaccard
    assert judged.cut(threshold=0.7).expected_jaccard is None
    assert judged.cut(threshold=0.7).needs_check is None


def test_the_name_chooses_the_format(lesion: Segmentation, tmp_path: Path) -> None:
    for ending in (
        "a.png",
        "a.jpg",
        "a.json",
        "a.geojson",
        *(each.ending for each in FORMATS.values() if not each.ending.endswith(".dcm")),
    ):
        lesion.save(str(tmp_path / ending))
    for name in ("a.png", "_segmentation.png"):
        assert np.array_equal(read_mask(tmp_path / name), lesion.mask)
    contour = read_mask(tmp_path / "_contour.png")
    assert (
        contour.any() and not (contour & ~lesion.mask).any() and contour.sum() < lesion.mask.sum()
    )
    assert read_levels(tmp_path / "_probability.png").max() == round(255 * 0.9)
    assert read_image(tmp_path / "a.jpg").shape == (32, 48, 3)
    assert json.loads((tmp_path / "a.json").read_text())["size"] == [32, 48]
    assert json.loads((tmp_path / "a.geojson").read_text())["type"] == "Feature"
    for found in FORMATS.values():
        assert find_format(Path(f"photo_mask.jpg{found.ending}")) == found
    for name in ("mask.tif", "mask"):
        with pytest.raises(
            InputError, match=rf"{name}: unknown format; the name must end in \.png"
        ):
            lesion.save(tmp_path / name)
