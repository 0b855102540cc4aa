"""Masks as text, without loss: pycocotools and OpenCV read the same mask back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inference.masks.formats.geojson import encode_geojson
from inference.masks.formats.rle import encode_rle
from tests.inference.masks.oracles import decode_geojson, decode_rle
from tests.inference.masks.random_masks import random_masks
from training.synthetic.lesion import make_lesion

MASKS = [*random_masks(300), make_lesion(np.random.default_rng(5), 600, 400)[1] > 0]


def test_rle_is_that_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for mask in MASKS:
        rle = json.loads(json.dumps(encode_rle(mask)))
        assert np.array_equal(decode_rle(rle), mask)
        expected = coco.encode(np.asfortranarray(mask.view(np.uint8)))
        assert rle == {"size": list(expected["size"]), "counts": expected["counts"].decode()}
        assert coco.area(rle) == np.count_nonzero(mask)


def test_geojson_holds_the_mask() -> None:
    for mask in MASKS:
        feature = json.loads(json.dumps(encode_geojson(mask)))
        assert np.array_equal(decode_geojson(feature), mask)


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
