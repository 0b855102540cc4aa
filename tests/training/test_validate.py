from __future__ import annotations

import pytest
import torch

from inference.runtime.tta import FLIPS
from training.device import Runtime
from training.validate import predict


def test_test_time_augmentation_is_the_mean_over_four_flips() -> None:
    runtime = Runtime("cpu")

    class Corner(torch.nn.Module):
        """Sees the upper left pixel alone."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = torch.full(images.shape[:3], -50.0)
            logits[:, 0, 0] = 50
            return logits

    images = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    plain, flipped = (predict(Corner(), images, runtime, tta) for tta in (False, True))
    assert plain[0].sum().item() == pytest.approx(1) and plain[0, 0, 0] == 1
    corners = flipped[:, ::3, ::3]
    assert torch.allclose(corners, torch.full_like(corners, 1 / len(FLIPS)))
