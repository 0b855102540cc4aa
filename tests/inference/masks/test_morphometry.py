"""Measures of shapes whose measures are known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from inference.masks.morphometry import Measures, measure_lesion, to_millimetres

ROWS, COLUMNS = np.indices((400, 500))
SURE = np.ones((32, 32), np.float32)


def ellipse(along: float, across: float, angle: float = 0) -> np.ndarray:
    x, y = COLUMNS - 250, ROWS - 200
    c, s = math.cos(angle), math.sin(angle)
    return ((x * c + y * s) / along) ** 2 + ((y * c - x * s) / across) ** 2 <= 1


def test_a_disc() -> None:
    found = measure_lesion(ellipse(100, 100), SURE)
    assert found.area_px == np.count_nonzero(ellipse(100, 100))
    assert found.area_percent == pytest.approx(100 * math.pi * 100**2 / 200_000, rel=0.01)
    assert found.equivalent_diameter_px == pytest.approx(200, abs=1)
    assert found.largest_diameter_px == pytest.approx(201, abs=0.5)
    assert found.perimeter_px == pytest.approx(2 * math.pi * 100, rel=0.06)  # steps, not a curve
    assert 0.88 < found.compactness <= 1
    assert found.asymmetry < 0.02 and found.border_percent == 0
    assert found.mean_probability == 1


@pytest.mark.parametrize("angle", [0, 0.4, 1.2, 2.5])
def test_an_ellipse_is_symmetric_however_it_is_turned(angle: float) -> None:
    found = measure_lesion(ellipse(150, 60, angle), SURE)
    assert found.largest_diameter_px == pytest.approx(301, abs=1.5)
    assert found.asymmetry < 0.03
    assert found.compactness < 0.75


def test_a_half_disc_is_symmetric_about_one_axis() -> None:
    half = ellipse(150, 150) & (ROWS < 200)
    found = measure_lesion(half, SURE)
    assert 0.05 < found.asymmetry < 0.25
    quarter_off = ellipse(150, 150) & ~((ROWS < 200) & (COLUMNS < 250))
    assert measure_lesion(quarter_off, SURE).asymmetry > 0.05


def test_a_lesion_that_is_cut_off_touches_the_border() -> None:
    mask = COLUMNS < 250
    found = measure_lesion(mask, SURE)
    edge = 2 * (400 + 500) - 4
    assert found.border_percent == pytest.approx(100 * (400 + 2 * 249) / edge, abs=1e-3)
    assert measure_lesion(np.ones((40, 50), bool), SURE).border_percent == 100


def test_an_empty_mask_and_single_pixels() -> None:
    empty = measure_lesion(np.zeros((40, 50), bool), np.zeros((32, 32), np.float32))
    assert all(value == 0 for value in empty)
    for shape in ((1, 1), (1, 5000), (3, 3)):
        mask = np.zeros(shape, bool)
        mask[0, 0] = True
        found = measure_lesion(mask, SURE)
        assert found.area_px == 1 and found.largest_diameter_px == 1 and found.compactness == 1
        assert all(math.isfinite(value) for value in found)


def test_how_sure_the_model_is() -> None:
    mask = ellipse(100, 100)
    probability = np.where(cv2.resize(mask.view(np.uint8), (32, 32)) > 0, 0.75, 0.5)
    found = measure_lesion(mask, probability.astype(np.float32))
    assert 0.7 < found.mean_probability <= 0.75


def test_millimetres() -> None:
    measures = Measures(100, 1.0, 10.0, 20.0, 30.0, 1.0, 0.0, 0.0, 1.0)
    assert to_millimetres(measures, 0.1) == {
        "area_mm2": 1.0,
        "equivalent_diameter_mm": 1.0,
        "largest_diameter_mm": 2.0,
        "perimeter_mm": 3.0,
    }


def test_a_few_pixels_of_a_large_image_count() -> None:
    mask = np.zeros((3000, 4000), bool)
    mask[1500, 2000:2003] = True
    assert measure_lesion(mask, np.full((32, 32), 0.75, np.float32)).mean_probability == 0.75
