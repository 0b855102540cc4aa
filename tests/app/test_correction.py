"""Strokes on a mask: exact where they go, and nothing elsewhere."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.correction import Corrected, Stroke, find_scale, paint, read_strokes
from app.prediction import Prediction, predict
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter


def stroke(adds: bool, radius: float, *points: tuple[int, int]) -> dict[str, Any]:
    return {"adds": adds, "radius": radius, "points": [list(point) for point in points]}


@pytest.fixture
def prediction(segmenter: Segmenter, photographs: list[Path]) -> Prediction:
    return predict(segmenter, photographs[2])  # 900 x 1300, larger than its preview


def test_only_pixels_under_the_brush_change(prediction: Prediction, tmp_path: Path) -> None:
    before = prediction.lesion.mask
    given = {"strokes": [stroke(True, 20, (100, 100), (300, 150)), stroke(False, 9.5, (650, 450))]}
    corrected = prediction.correct(read_strokes(given))
    rows, columns = np.mgrid[:900, :1300]
    ways = [((100, 100), (300, 150), 20.0), ((650, 450), (650, 450), 9.5)]
    near = np.zeros(before.shape, bool)
    inside = []
    for (x, y), (right, below), radius in ways:
        along = np.array([right - x, below - y], float)
        share = (columns - x) * along[0] + (rows - y) * along[1]
        share = np.clip(share / max(along @ along, 1), 0, 1)
        distance = np.hypot(columns - x - share * along[0], rows - y - share * along[1])
        near |= distance <= radius + 1.5
        inside.append(distance <= radius - 1.5)
    after = corrected.lesion.mask
    assert np.array_equal(after[~near], before[~near])
    assert after[inside[0]].all() and not after[inside[1]].any()
    for name, each in (("model", prediction), ("corrected", corrected)):
        each.lesion.save(tmp_path / f"{name}.png")
    model, changed = (
        cv2.imread(str(tmp_path / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        for name in ("model", "corrected")
    )
    assert model is not None and changed is not None and set(np.unique(changed)) <= {0, 255}
    assert np.array_equal(model[~near], changed[~near]) and not np.array_equal(model, changed)


def test_undone_strokes_leave_the_models_file(prediction: Prediction, tmp_path: Path) -> None:
    strokes = read_strokes({"strokes": [stroke(True, 30, (50, 50))]})
    prediction.lesion.save(tmp_path / "before.png")
    prediction.correct(strokes).correct(()).lesion.save(tmp_path / "after.png")
    assert (tmp_path / "before.png").read_bytes() == (tmp_path / "after.png").read_bytes()


def test_strokes_stay_when_the_threshold_moves(prediction: Prediction) -> None:
    corrected = prediction.correct(read_strokes({"strokes": [stroke(True, 15, (40, 60))]}))
    moved = corrected.cut(0.99, False, False)
    assert moved.lesion.mask[60, 40] and moved.lesion.strokes
    assert moved.lesion.measures.area_px < corrected.lesion.measures.area_px
    assert corrected.lesion.measures.area_px > prediction.lesion.measures.area_px


def test_later_strokes_win_and_a_dot_is_a_pixel() -> None:
    mask = np.zeros((20, 30), bool)
    line = np.array([[0, 5], [29, 5]], np.int32)
    dot = np.array([[7, 5]], np.int32)
    painted = paint(mask, [Stroke(True, 0.5, line), Stroke(False, 0.5, dot)])
    expected = mask.copy()
    expected[5], expected[5, 7] = True, False
    assert np.array_equal(painted, expected) and not mask.any()


def test_a_corrected_outline_has_no_expected_overlap(prediction: Prediction) -> None:
    contract = dataclasses.replace(
        prediction.lesion.contract, confidence=(0.0, -1.0, 0.0), check_below=0.5
    )
    judged = dataclasses.replace(prediction.lesion, contract=contract)
    assert judged.expected_jaccard is not None
    strokes = read_strokes({"strokes": [stroke(True, 5, (1, 1))]})
    assert isinstance(judged, Corrected)
    assert dataclasses.replace(judged, strokes=strokes).expected_jaccard is None


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "strokes",
        {},
        {"strokes": 7},
        {"strokes": [None]},
        {"strokes": [{"adds": True, "radius": 1}]},
        {"strokes": [stroke(True, 1)]},
        {"strokes": [stroke(True, math.nan, (1, 1))]},
        {"strokes": [stroke(True, -1, (1, 1))]},
        {"strokes": [stroke(True, 1e9, (1, 1))]},
        {"strokes": [{"adds": 1, "radius": 1, "points": [[1, 1]]}]},
        {"strokes": [{"adds": True, "radius": True, "points": [[1, 1]]}]},
        {"strokes": [{"adds": True, "radius": 1, "points": [[1, 1], [2]]}]},
        {"strokes": [{"adds": True, "radius": 1, "points": [[1, math.nan]]}]},
        {"strokes": [{"adds": True, "radius": 1, "points": [[1, 10**400]]}]},
        {"strokes": [{"adds": True, "radius": 1, "points": [[10**6, 1]]}]},
        {"strokes": [{"adds": True, "radius": 1, "points": {"path": "/etc/passwd"}}]},
    ],
)
def test_what_is_no_stroke_is_refused_in_a_line(wrong: Any) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_strokes(wrong)


def test_nobody_keeps_the_server_painting() -> None:
    with pytest.raises(InputError, match="too many strokes"):
        read_strokes({"strokes": [stroke(True, 1, *[(1, 1)] * 60_000)]})
    wide = read_strokes({"strokes": [stroke(True, 9000, *[(0, 0), (9000, 9000)] * 1000)]})
    with pytest.raises(InputError, match="too many strokes"):
        paint(np.zeros((8000, 8000), bool), wide)


def test_the_widest_brush_paints_all() -> None:
    wide = read_strokes({"strokes": [stroke(True, 10_000, (3000, 3000))]})
    assert paint(np.zeros((6000, 6000), bool), wide).all()


def test_a_scale() -> None:
    assert find_scale({"ends": [[10, 10], [10, 210]], "millimetres": 5}) == 0.025
    for ends, millimetres, reason in (
        ([[1, 1], [1, 1]], 5, "zero length"),
        ([[1, 1]], 5, "zero length"),
        (None, 5, "zero length"),
        ([[1, 1], [9, 9]], 0, "above 0"),
        ([[1, 1], [9, 9]], "5", "above 0"),
        ([[1, 1], [9, 9]], math.inf, "above 0"),
    ):
        with pytest.raises(InputError, match=reason):
            find_scale({"ends": ends, "millimetres": millimetres})
