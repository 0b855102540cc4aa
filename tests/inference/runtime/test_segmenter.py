"""The front door: one image in, whatever it is given as, one segmentation out."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from export.onnx_file import replace_contract
from inference import Segmentation, Segmenter, load
from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.images.pixels import read_image
from inference.models import SHIPPED
from inference.segment import segment
from training.synthetic.lesion import make_lesion


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    cv2.imwrite(str(path), make_lesion(np.random.default_rng(3), 90, 130)[0][..., ::-1])
    return path


def test_an_image_is_a_path_bytes_or_pixels(model: Path, photo: Path) -> None:
    segmenter = load(str(model), threads=1)
    expected = segmenter.segment(photo)
    assert isinstance(segmenter, Segmenter) and isinstance(expected, Segmentation)
    assert expected.mask.shape == (90, 130) and expected.mask.dtype == bool and expected.mask.any()
    pixels = read_image(photo)
    for given in (str(photo), photo.read_bytes(), pixels):
        found = segmenter.segment(given)
        assert np.array_equal(found.probability, expected.probability)
        assert np.array_equal(found.image, pixels)
        assert np.array_equal(found.mask, expected.mask)
        assert np.array_equal(found.overlay(), expected.overlay())


def test_the_mask_is_the_commands(model: Path, photo: Path, tmp_path: Path) -> None:
    load(model).segment(photo).save(tmp_path / "mask.png")
    assert segment([str(photo)], SegmentOptions(model, tmp_path / "masks")) == 0
    written = (tmp_path / "masks" / "photo_segmentation.png").read_bytes()
    assert (tmp_path / "mask.png").read_bytes() == written


def test_the_model_that_ships_opens_from_any_folder(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    segmenter = load(provider="cpu")
    assert segmenter.path == SHIPPED
    assert segmenter.segment(photo).mask.shape == (90, 130)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 5), np.uint8), r"shape \(4, 5\): must be uint8 RGB"),
        (np.zeros((4, 5, 4), np.uint8), "must be uint8 RGB"),
        (np.zeros((4, 5, 3), np.float32), "an array of float32"),
        (np.zeros((0, 5, 3), np.uint8), "must be uint8 RGB"),
        (b"", "image of 0 bytes: is empty"),
        (b"text", "image of 4 bytes: is not an image"),
        (3, "a int: must be a path"),
        (None, "a NoneType: must be a path"),
        ([np.zeros((4, 5, 3), np.uint8)], "a list: must .*; give one image at a time"),
    ],
)
def test_anything_else_is_refused_in_one_line(model: Path, given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        Segmenter(model, 1).segment(given)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nowhere\.jpg"):
        Segmenter(model, 1).segment(tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match=r"nowhere\.onnx: no such model file"):
        load(tmp_path / "nowhere.onnx")


def test_an_ensemble_need_not_share_what_was_fitted(
    model: Path, fitted: Path, tmp_path: Path
) -> None:
    assert Segmenter(fitted, 1, ensemble=(model,)).contract.check_below == 0.8
    assert Segmenter(model, 1, ensemble=(fitted,)).contract.check_below is None
    other = tmp_path / "other.onnx"
    replace_contract(model, {"threshold": 0.4}, other)
    with pytest.raises(InputError, match=r"other\.onnx: its contract .* differs"):
        Segmenter(model, 1, ensemble=(other,))


def test_the_fingerprint_tells_what_masks_depend_on(model: Path) -> None:
    plain = Segmenter(model, 1, "cpu").fingerprint()
    assert plain == Segmenter(str(model), 2, "cpu").fingerprint()
    assert plain != Segmenter(model, 1, "cpu", tta=True).fingerprint()
    assert plain != Segmenter(model, 1, "cpu", ensemble=(model,)).fingerprint()


class Picture:
    """What numpy makes an array of, as of PIL's images and torch's tensors."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.__array_interface__ = pixels.__array_interface__
        self.pixels = pixels  # whose memory that is


def test_what_numpy_takes_is_taken(model: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    segmenter = Segmenter(model, 1)
    found, expected = segmenter.segment(Picture(pixels)), segmenter.segment(pixels)  # type: ignore[arg-type]
    assert np.array_equal(found.probability, expected.probability)
    with pytest.raises(InputError, match="must be uint8 RGB"):
        segmenter.segment(Picture(pixels[..., 0].copy()))  # type: ignore[arg-type]


def test_a_pickled_one_is_opened_again(model: Path, photo: Path) -> None:
    segmenter = Segmenter(model, 1, "cpu", tta=True, threshold=0.3)
    again = pickle.loads(pickle.dumps(segmenter))
    assert again.fingerprint() == segmenter.fingerprint()
    found = pickle.loads(pickle.dumps(again.segment))(photo)
    assert np.array_equal(found.mask, segmenter.segment(photo).mask)
