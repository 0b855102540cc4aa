"""Pictures of anything but a lesion."""

from __future__ import annotations

import numpy as np
import pytest

from export.scenes import SCENES, SIDE, cut_skin, make_scenes


def test_every_kind_is_made_and_always_the_same() -> None:
    scenes = make_scenes(2 * len(SCENES))
    assert all(scene.shape == (SIDE, SIDE, 3) and scene.dtype == np.uint8 for scene in scenes)
    assert all(np.array_equal(*pair) for pair in zip(scenes, make_scenes(2 * len(SCENES))))
    assert len({scene.tobytes() for scene in scenes}) == len(scenes)


@pytest.mark.parametrize("corner", ["left", "right"])
def test_skin_is_the_largest_square_beside_the_lesion(corner: str) -> None:
    mask = np.zeros((100, 140), bool)
    mask[20:80, :60] = True  # right of it are 80 columns less a margin of 2
    image = np.full((100, 140, 3), 180, np.uint8)
    image[mask] = 40
    if corner == "right":
        image, mask = image[:, ::-1], mask[:, ::-1]
    square = cut_skin(image, mask)
    assert square is not None and (square == 180).all()
    assert 74 <= len(square) <= 78 and square.shape[0] == square.shape[1]


def test_small_and_dark_squares_are_none() -> None:
    image = np.full((100, 140, 3), 180, np.uint8)
    whole = np.ones((100, 140), bool)
    assert cut_skin(image, whole) is None
    whole[:, :20] = False
    assert cut_skin(image, whole) is None
    assert cut_skin(np.zeros_like(image), np.zeros_like(whole)) is None
    square = cut_skin(image, np.zeros_like(whole))
    assert square is not None and len(square) >= 99
