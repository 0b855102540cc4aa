"""Flips and ensembles are averages, each answer flipped back to its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.build import build_model
from export.graph import Deployable
from inference.batch.options import SegmentOptions
from inference.contract import Contract
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter
from inference.runtime.tta import average_flips, average_models
from inference.segment import segment
from training.networks.unet import UNet

SIZE = 16
LEFT = np.arange(SIZE) < SIZE // 2


class Red:
    """Its probability is the red channel of the image, where it sees; it counts its images."""

    def __init__(self, sees: np.ndarray | float = 1) -> None:
        self.sees, self.images = sees, 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert images.shape[1:] == (SIZE, SIZE, 3) and images.flags.c_contiguous
        self.images += len(images)
        return (images[..., 0] / 255 * self.sees).astype(np.float32)


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def test_flips_come_back_to_their_place(images: np.ndarray) -> None:
    model = Red()
    assert np.allclose(average_flips(model, images), Red()(images), atol=1e-6)
    assert model.images == 4 * len(images)
    assert np.allclose(average_flips(Red(LEFT), images), Red()(images) / 2, atol=1e-6)
    top = average_flips(Red(LEFT[:, None]), images)
    assert np.allclose(top, Red()(images) / 2, atol=1e-6)


def test_an_ensemble_is_a_mean(images: np.ndarray) -> None:
    found = average_models([Red(), Red(LEFT)], images)
    assert found.dtype == np.float32
    assert np.allclose(found, (Red()(images) + Red(LEFT)(images)) / 2, atol=1e-6)


def test_a_run_with_both(network: UNet, model: Path, data: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    plain = Segmenter(model, 1, "cpu")
    both = Segmenter(model, 1, "cpu", ensemble=(model,), tta=True)
    assert np.allclose(both(images), average_flips(plain, images), atol=1e-6)
    assert not np.allclose(both(images), plain(images), atol=1e-3)
    given, output = [str(data / "test")], tmp_path / "masks"
    assert segment(given, SegmentOptions(model, output, tta=True)) == 0
    other = tmp_path / "other.onnx"
    onnx.save(build_model(Deployable(network), Contract(size=64, threshold=0.4)), other)
    with pytest.raises(InputError, match=r"other\.onnx: .* models that are averaged must share it"):
        Segmenter(model, 1, "cpu", ensemble=(other,))
    with pytest.raises(InputError, match=r"other settings \(flips\)"):
        segment(given, SegmentOptions(model, output, resume=True))
