import numpy as np
import pytest

from inference.scoring.metrics import score
from inference.scoring.summary import count_image, summarise


def frame(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[rows, columns] = True
    return mask


def test_lesions_are_grouped_by_size_and_by_the_border() -> None:
    small = frame(slice(9, 11), slice(9, 12))  # 6 of 400 pixels
    medium = frame(slice(5, 15), slice(5, 11))  # 60
    large = frame(slice(0, 15), slice(2, 12))  # 150, up to the upper border
    truths = {"small": small, "medium": medium, "large": large, "again": large}
    made = {**truths, "again": frame(slice(0, 15), slice(2, 7))}
    images = [count_image(truths[name], made[name]) for name in truths]
    scores = summarise(list(truths), images)
    groups = scores["groups"]
    assert {name: group["images"] for name, group in groups.items()} == {
        "below 5% of the frame": 1,
        "5% to 25%": 1,
        "25% and above": 2,
        "cut off by the frame": 2,
        "whole in the frame": 2,
    }
    assert groups["whole in the frame"]["dice"] == 1
    half = score(images[3].counts)["dice"]
    assert groups["cut off by the frame"]["dice"] == pytest.approx((1 + half) / 2)
    assert groups["25% and above"]["failure_rate"] == 0.5
    assert scores["dice"] == pytest.approx((3 + half) / 4)


@pytest.mark.parametrize("side", range(4))
def test_every_border_counts(side: int) -> None:
    touching = np.rot90(frame(slice(0, 2), slice(5, 9)), side)
    inside = np.rot90(frame(slice(1, 3), slice(5, 9)), side)
    assert count_image(touching, inside).cut_off
    assert not count_image(inside, touching).cut_off


def test_groups_without_images_are_left_out() -> None:
    empty = np.zeros((8, 8), bool)
    groups = summarise(["empty"], [count_image(empty, empty)])["groups"]
    assert set(groups) == {"below 5% of the frame", "whole in the frame"}
