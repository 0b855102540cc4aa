from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import InputError
from training.synthesize import IMAGES, MASKS, synthesize
from training.synthetic.lesion import make_lesion


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


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
