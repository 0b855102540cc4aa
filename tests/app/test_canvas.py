"""What the canvas is given."""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.canvas import show_on_canvas
from app.correction import read_strokes
from app.i18n import CHINESE
from app.prediction import predict, shrink_mask
from inference.masks.drawing import OUTLINE
from inference.runtime.segmenter import Segmenter


def decode(url: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image)


@pytest.mark.parametrize("number", [0, 2])
def test_it_gets_the_models_mask_and_the_strokes(
    segmenter: Segmenter, photographs: list[Path], number: int
) -> None:
    stroke = {"adds": True, "radius": 7.5, "points": [[3, 4], [30, 40]]}
    prediction = predict(segmenter, photographs[number])
    corrected = prediction.correct(read_strokes({"strokes": [stroke]}))
    shown: Any = show_on_canvas(corrected, CHINESE)
    given = json.loads(shown["value"] if isinstance(shown, dict) else shown.value)
    assert (given["width"], given["height"]) == (prediction.lesion.width, prediction.lesion.height)
    assert given["strokes"] == [stroke] and given["words"]["brush"] == CHINESE["brush"]
    mask = decode(given["mask"])  # BGRA
    assert np.array_equal(mask[..., 3] > 0, shrink_mask(prediction))
    assert tuple(mask[mask[..., 3] > 0][0][2::-1]) == OUTLINE
    picture = decode(shown["picture"] if isinstance(shown, dict) else shown.props["picture"])
    assert picture.shape == prediction.preview.shape
    assert json.loads(json.dumps(read_back(given["strokes"]))) == [stroke]


def read_back(strokes: list[Any]) -> list[Any]:
    """Strokes as the server reads them, written again."""
    return [
        {"adds": adds, "radius": radius, "points": points.tolist()}
        for adds, radius, points in read_strokes({"strokes": strokes})
    ]


def test_without_a_photo_it_is_empty() -> None:
    shown: Any = show_on_canvas(None, CHINESE)
    assert (shown["value"] if isinstance(shown, dict) else shown.value) == ""
