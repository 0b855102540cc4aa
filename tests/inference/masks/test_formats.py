"""Masks as text, without loss: pycocotools and OpenCV read the same mask back."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from inference.masks.formats import encode_geojson, encode_rle
from tests.inference.masks.test_postprocess import random_masks
from training.synthesize import make_lesion

# Of pycocotools, whose decoder predates numpy 2.
OLD_NUMPY = "ignore:__array__ implementation:DeprecationWarning"
MASKS = [*random_masks(300), make_lesion(np.random.default_rng(5), 600, 400)[1] > 0]


def draw_geojson(feature: dict[str, Any]) -> np.ndarray:
    """The mask of a feature's polygons, drawn by OpenCV: (H, W) bool."""
    mask = np.zeros((feature["properties"]["height"], feature["properties"]["width"]), np.uint8)
    for rings in feature["geometry"]["coordinates"]:
        polygon = np.zeros_like(mask)
        outlines = [np.array(ring, np.int32) for ring in rings]
        mask |= cv2.drawContours(polygon, outlines, -1, 1, cv2.FILLED)
    return mask > 0


@pytest.mark.filterwarnings(OLD_NUMPY)
def test_rle_is_that_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for mask in MASKS:
        rle = json.loads(json.dumps(encode_rle(mask)))
        assert np.array_equal(coco.decode(rle), mask)
        expected = coco.encode(np.asfortranarray(mask.view(np.uint8)))
        assert rle == {"size": list(expected["size"]), "counts": expected["counts"].decode()}
        assert coco.area(rle) == np.count_nonzero(mask)


def test_geojson_holds_the_mask() -> None:
    for mask in MASKS:
        feature = json.loads(json.dumps(encode_geojson(mask)))
        assert np.array_equal(draw_geojson(feature), mask)


def test_geojson_is_as_the_standard_asks() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:12, 3:15] = True
    mask[5:8, 6:10] = False
    mask[15, 20] = True
    feature = encode_geojson(mask)
    assert feature["type"] == "Feature" and feature["geometry"]["type"] == "MultiPolygon"
    polygons = sorted(feature["geometry"]["coordinates"], key=len)
    assert [len(rings) for rings in polygons] == [1, 2]
    for rings in polygons:
        for ring in rings:
            assert len(ring) >= 4 and ring[0] == ring[-1]
    outer = np.array(polygons[1][0])
    assert outer.min(axis=0).tolist() == [3, 2] and outer.max(axis=0).tolist() == [14, 11]
