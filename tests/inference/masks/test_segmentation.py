"""A segmentation is cut, measured, drawn and written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inference.contract import Contract
from inference.errors import InputError
from inference.images.pixels import read_image, read_levels, read_mask
from inference.masks.formats.registry import FORMATS, find_format
from inference.masks.segmentation import Segmentation


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


def test_the_name_chooses_the_format(lesion: Segmentation, tmp_path: Path) -> None:
    for ending in (
        "a.png",
        "a.jpg",
        "a.json",
        "a.geojson",
        *(each.ending for each in FORMATS.values()),
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
