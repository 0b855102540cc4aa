from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import InputError
from tests.contents import contents
from training.synthesize import make_lesion, synthesize

IMAGES = "ISIC2018_Task1-2_Training_Input"
MASKS = "ISIC2018_Task1_Training_GroundTruth"


def lesions(count: int, height: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [make_lesion(np.random.default_rng([0, i]), height, width) for i in range(count)]


@pytest.mark.parametrize(("height", "width"), [(192, 256), (64, 64), (200, 90)])
def test_mask_is_one_region_without_holes(height: int, width: int) -> None:
    for image, mask in lesions(40, height, width):
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        assert mask.shape == (height, width) and mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        assert 0.005 < np.mean(mask > 0) < 0.95
        background_and_lesion = 2
        assert cv2.connectedComponents(mask, connectivity=4)[0] == background_and_lesion
        # A frame of skin joins the pieces into which a lesion cut off by the border divides it.
        skin = np.pad(255 - mask, 1, constant_values=255)
        assert cv2.connectedComponents(skin, connectivity=8)[0] == background_and_lesion


def test_lesion_is_darker_than_the_skin_around_it() -> None:
    contrasts = []
    for image, mask in lesions(40, 192, 256):
        around = (cv2.dilate(mask, np.ones((21, 21), np.uint8)) > 0) & (mask == 0)
        contrasts.append(image[around].mean() - image[mask > 0].mean())
    assert min(contrasts) > 10
    assert np.mean(contrasts) > 50


def test_skin_is_light_and_dark_and_lesions_small_and_large() -> None:
    made = lesions(40, 96, 128)
    tones = [np.median(image[mask == 0]) for image, mask in made]
    areas = [np.mean(mask > 0) for _, mask in made]
    assert min(tones) < 120 and max(tones) > 190
    assert min(areas) < 0.04 and max(areas) > 0.4


def test_the_lesion_lies_clear_of_dark_corners() -> None:
    for image, mask in lesions(40, 96, 128):
        edge = (cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0) & (mask == 0)
        assert np.mean(image[edge].max(axis=-1) < 40) < 0.05


def test_writes_the_layout_of_the_challenge(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", images=3, height=64, width=80)
    assert set(contents(tmp_path / "data")) == {
        *(f"{IMAGES}/SYNTH_000000{i}.jpg" for i in range(3)),
        *(f"{MASKS}/SYNTH_000000{i}_segmentation.png" for i in range(3)),
    }
    for number in range(3):
        image = cv2.imread(str(tmp_path / "data" / IMAGES / f"SYNTH_000000{number}.jpg"))
        path = tmp_path / "data" / MASKS / f"SYNTH_000000{number}_segmentation.png"
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image is not None and mask is not None
        painted, exact = make_lesion(np.random.default_rng([0, number]), 64, 80)
        assert np.array_equal(mask, exact)
        assert image.shape == (64, 80, 3)
        assert np.abs(image[..., ::-1].astype(float) - painted).mean() < 6


def test_an_image_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    few, many, other = tmp_path / "few", tmp_path / "many", tmp_path / "other"
    synthesize(few, images=2, seed=5, height=64, width=64)
    synthesize(many, images=4, seed=5, height=64, width=64)
    synthesize(other, images=2, seed=6, height=64, width=64)
    assert contents(few).items() < contents(many).items()
    assert not set(contents(few).values()) & set(contents(other).values())


def test_rewrites_its_own_files(tmp_path: Path) -> None:
    synthesize(tmp_path, images=2, height=64, width=64)
    first = contents(tmp_path)
    (tmp_path / IMAGES / "SYNTH_0000001.jpg").write_bytes(b"damaged")
    synthesize(tmp_path, images=2, height=64, width=64)
    assert contents(tmp_path) == first


@pytest.mark.parametrize(
    "other", [f"{IMAGES}/ISIC_0000000.jpg", f"{MASKS}/SYNTH_0000002_segmentation.png", "mole.PNG"]
)
def test_refuses_a_folder_with_other_images(tmp_path: Path, other: str) -> None:
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_bytes(b"precious")
    with pytest.raises(InputError, match=Path(other).name):
        synthesize(tmp_path, images=2, height=64, width=64)
    assert contents(tmp_path) == {other: b"precious"}


@pytest.mark.parametrize("wrong", [{"images": 0}, {"seed": -1}, {"height": 63}, {"width": 63}])
def test_refuses_numbers_that_are_too_small(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"--{next(iter(wrong))} {next(iter(wrong.values()))}"):
        synthesize(tmp_path / "data", **wrong)
    assert not (tmp_path / "data").exists()
