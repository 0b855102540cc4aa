from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.data.augment import AUGMENTATIONS, STRONG, WIDE
from training.data.changes import add_hair, add_noise, keep_skin, lose_detail, move, sharpen
from training.data.reference_augmentation import REFERENCE_SHARE, augment_like_reference, jitter
from training.synthetic.lesion import make_lesion

SIZE = 96


def lesion() -> tuple[np.ndarray, np.ndarray]:
    image, mask = make_lesion(np.random.default_rng(3), SIZE, SIZE)
    return image, mask // 255


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shapes_types_and_chance(name: str) -> None:
    image, mask = lesion()
    before = image.copy(), mask.copy()
    for seed in range(10):
        once = AUGMENTATIONS[name](np.random.default_rng(seed), image, mask)
        again = AUGMENTATIONS[name](np.random.default_rng(seed), image, mask)
        for one, other, original in zip(once, again, before):
            assert one.shape == original.shape and one.dtype == np.uint8
            assert np.array_equal(one, other)
        assert set(np.unique(once[1])) <= {0, 1}
    assert np.array_equal(image, before[0]) and np.array_equal(mask, before[1])


@pytest.mark.parametrize("name", ["strong", "reference"])
def test_the_mask_moves_with_the_image(name: str) -> None:
    """An image that is its own mask stays it: brightest inside, wherever both went."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(mask, (40, 52), (22, 13), 30, 0, 360, 1, -1)
    image = np.repeat(60 + 120 * mask[..., None], 3, axis=2).astype(np.uint8)
    changed = 0
    for seed in range(40):
        moved, moved_mask = AUGMENTATIONS[name](np.random.default_rng(seed), image, mask)
        found = moved[..., 1] > (float(moved[..., 1].max()) * 0.66)
        both, either = (found & (moved_mask > 0)).sum(), (found | (moved_mask > 0)).sum()
        if name == "reference":  # the other's dark corners hide some
            assert both / either > 0.9
        changed += both / either > 0.9 and not np.array_equal(moved_mask, mask)
    assert changed >= 8


def test_the_reference_changes_four_images_in_ten() -> None:
    image, mask = lesion()
    changed = [
        not np.array_equal(augment_like_reference(np.random.default_rng(i), image, mask)[0], image)
        for i in range(400)
    ]
    assert abs(np.mean(changed) - REFERENCE_SHARE) < 0.08


def test_the_reference_enlarges_as_its_crops_do() -> None:
    """A crop of 250..270 of 300..320, less up to 20 at each border, fills the frame: 1.1 to 1.6 times."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (SIZE // 2, SIZE // 2), SIZE // 6, 1, -1)
    image = np.repeat(mask[..., None], 3, axis=2)
    growth = []
    for seed in range(200):
        moved = augment_like_reference(np.random.default_rng(seed), image, mask)[1]
        if not np.array_equal(moved, mask):
            growth.append(np.sqrt(moved.sum() / mask.sum()))
    assert 300 / 270 - 0.03 < min(growth) < 1.2 and 1.35 < max(growth) < 320 / 210 + 0.05


def test_jitter_stays_within_its_ranges() -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    for seed in range(50):
        out = jitter(np.random.default_rng(seed), grey)
        assert np.ptp(out) <= 1  # grey has no hue, and no contrast to change
        assert 128 * 0.8 - 2 <= out[0, 0, 0] <= 128 * 1.2 + 2
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    hues = []
    for seed in range(50):
        turned = cv2.cvtColor(jitter(np.random.default_rng(seed), red), cv2.COLOR_RGB2HSV_FULL)
        hues.append((int(turned[0, 0, 0]) + 128) % 256 - 128)
    assert -7 <= min(hues) < 0 < max(hues) <= 7


def test_hair_is_thin_and_dark() -> None:
    for seed in range(20):
        light = np.full((SIZE, SIZE, 3), 200, np.uint8)
        hairy = add_hair(np.random.default_rng(seed), light.copy(), STRONG.ranges)
        changed = (hairy != light).any(axis=2)
        assert changed.mean() < 0.5 and (hairy <= light).all()


def test_detail_is_lost_and_nothing_else() -> None:
    image, _ = lesion()
    for seed in range(20):
        poor = lose_detail(np.random.default_rng(seed), image)
        assert poor.shape == image.shape and poor.dtype == np.uint8
        assert abs(float(poor.mean()) - float(image.mean())) < 2
        assert np.abs(np.diff(poor.astype(int), axis=1)).mean() < 1.2 * (
            np.abs(np.diff(image.astype(int), axis=1)).mean()
        )


def test_a_shrunk_image_has_mirrored_skin_or_a_black_border() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (48, 48), 12, 1, cv2.FILLED)
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    small = WIDE.ranges._replace(scale=(0.4, 0.5), stretch=1.0)
    for share, seeds in ((0.0, 10), (1.0, 10)):
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            moved, moved_mask = move(rng, image, mask, small._replace(black_border=share))
            assert ((moved == 0).mean() > 0.5) == bool(share)
            assert moved_mask.sum() < mask.sum() if share else moved_mask.any()


def test_skin_has_no_lesion_and_comes_from_a_corner_that_is_clear() -> None:
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:50] = 1
    image[mask > 0] = 50
    outcomes = [keep_skin(np.random.default_rng(seed), image, mask) for seed in range(20)]
    for filled, left in outcomes:
        assert np.array_equal(left, mask) or not left.any()
        assert left.any() or (filled == 200).all()
    assert {bool(left.any()) for _, left in outcomes} == {True, False}


def test_noise_and_sharpening_keep_the_mean() -> None:
    image = lesion()[0]
    for change in (add_noise, sharpen):
        changed = [change(np.random.default_rng(seed), image) for seed in range(10)]
        assert all(abs(float(c.mean()) - float(image.mean())) < 2 for c in changed)
        assert all(c.astype(float).std() > image.std() for c in changed)
