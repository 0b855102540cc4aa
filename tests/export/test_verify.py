from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.verify import ParityError, load_samples, verify
from inference.errors import InputError
from inference.images.pixels import read_resized


class Redness(nn.Module):
    """A stand-in network: the red channel as probability."""

    def forward(self, images: Tensor) -> Tensor:
        return images[..., 0] / 255


def redness(images: np.ndarray) -> np.ndarray:
    return (images[..., 0] / 255).astype(np.float32)


def test_equal_functions_pass() -> None:
    assert verify(Redness(), redness, load_samples(None, 32), 0.5) < 1e-6


def test_batches_of_one_and_three_are_tried() -> None:
    sizes = []

    def note(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return redness(images)

    verify(Redness(), note, load_samples(None, 32), 0.5)
    assert sizes == [1, 3]


@pytest.mark.parametrize(
    "fault", ["offset", "nan", "one pixel", "threshold", "a few at the threshold", "batch"]
)
def test_faults_are_caught(fault: str) -> None:
    samples = load_samples(None, 32)
    threshold = 0.5
    if fault == "threshold":  # tiny differences of probability, other masks
        samples[:] = 128
        threshold = 128 / 255
    elif fault == "a few at the threshold":
        samples[:] = 200
        samples[:, 0, :8] = 128  # 8 pixels of 1024
        threshold = 128 / 255

    def faulty(images: np.ndarray) -> np.ndarray:
        probability = redness(images)
        if fault == "offset":
            probability += 2e-4
        elif fault == "nan":
            probability[0, 0, 0] = np.nan
        elif fault == "one pixel":
            probability[0, 5, 5] = 1 - probability[0, 5, 5]
        elif "threshold" in fault:
            probability += 1e-5
        elif len(images) > 1:
            probability[1:] = probability[0]
        return probability

    with pytest.raises(ParityError, match="nothing was written"):
        verify(Redness(), faulty, samples, threshold)


def test_samples_come_from_a_folder_through_the_decoder_of_use(data: Path, tmp_path: Path) -> None:
    samples = load_samples(data / "valid", 8)
    expected = [read_resized(path, 8).pixels for path in sorted((data / "valid").iterdir())]
    assert len(samples) == 4
    assert np.array_equal(samples[:3], expected) and np.array_equal(samples[3], expected[0])
    with pytest.raises(InputError, match="holds no image"):
        load_samples(tmp_path, 32)


def test_made_up_samples_differ(tmp_path: Path) -> None:
    samples = load_samples(None, 48)
    assert samples.shape == (4, 48, 48, 3) and samples.dtype == np.uint8
    assert torch.from_numpy(samples).float().std(dim=0).mean() > 5
