"""Several looks at one image are averaged, each in its own place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.build import build_model
from export.graph import Deployable
from inference.contract import Contract
from inference.errors import InputError
from inference.runtime.session import Segmenter
from inference.runtime.tta import Ensemble, Flipped, Looks, Windowed
from inference.segment import segment
from training.networks.unet import UNet

SIZE = 16


class Red:
    """Its probability is the red channel of the image; it counts its images."""

    contract = Contract(size=SIZE)
    images = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert images.shape[1:] == (SIZE, SIZE, 3) and images.flags.c_contiguous
        self.images += len(images)
        return (images[..., 0] / 255).astype(np.float32)


class Left(Red):
    """Sees nothing but the left half of what it is given."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return super().__call__(images) * (np.arange(SIZE) < SIZE // 2)


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def test_flips_come_back_to_their_place(images: np.ndarray) -> None:
    model = Red()
    assert np.allclose(Flipped(model)(images), Red()(images), atol=1e-6)
    assert model.images == 4 * len(images)
    assert np.allclose(Flipped(Left())(images), Red()(images) / 2, atol=1e-6)


def test_an_ensemble_is_a_mean(images: np.ndarray) -> None:
    found = Ensemble([Red(), Left()], [Path("a"), Path("b")])(images)
    assert found.dtype == np.float32
    assert np.allclose(found, (Red()(images) + Left()(images)) / 2, atol=1e-6)


def test_windows_come_back_to_their_place(rng: np.random.Generator) -> None:
    smooth = np.repeat(np.repeat(rng.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8), 2, 1), 2, 2)
    model = Red()
    windowed = Windowed(model)
    assert windowed.contract.size == 2 * SIZE
    found = windowed(smooth)
    assert found.shape == (2, 2 * SIZE, 2 * SIZE) and model.images == 10 * 2
    # The whole image is seen at half the size, so it comes back smoother than the windows.
    assert np.abs(found - smooth[..., 0] / 255).mean() < 0.15
    flat = np.full((1, 2 * SIZE, 2 * SIZE, 3), 51, np.uint8)
    assert np.allclose(windowed(flat), 0.2)


def test_looks_in_a_run(network: UNet, model: Path, data: Path, tmp_path: Path) -> None:
    plain = Looks().open(model, 1, "cpu")
    assert isinstance(plain, Segmenter)
    full = Looks(ensemble=(model,), flips=True, windows=True).open(model, 1, "cpu")
    assert isinstance(full, Windowed) and isinstance(full.model, Flipped)
    looks = Looks(flips=True)
    assert segment([str(data / "test")], model, tmp_path / "looks", looks=looks) == 0
    other = tmp_path / "other.onnx"
    onnx.save(build_model(Deployable(network), Contract(size=64, threshold=0.4)), other)
    with pytest.raises(InputError, match="models that are averaged must share it"):
        Looks(ensemble=(other,)).open(model, 1, "cpu")
    with pytest.raises(InputError, match="other settings"):
        segment([str(data / "test")], model, tmp_path / "looks", resume=True)
