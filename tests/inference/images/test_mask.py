from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.errors import InputError
from inference.images.mask import PLAIN, SOFT_EDGES, ZERO_ONE, understand_levels
from inference.images.pixels import holds_mask, read_levels, read_mask
from tests.inference.images.mask_files import KINDS, ORIENTATION, grey, save_bits
from training.synthetic.lesion import make_lesion

LESION = make_lesion(np.random.default_rng(3), 60, 80)[1] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_however_it_is_stored_it_is_the_same_mask(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path / "mask", LESION)
    (path,) = tmp_path.iterdir()
    assert np.array_equal(read_mask(path, "01"), LESION)
    assert read_mask(path).any() == ("0 and 1" not in kind)


@pytest.mark.parametrize("bits", [2, 4])
def test_one_class_of_several_in_few_bits_is_no_mask(tmp_path: Path, bits: int) -> None:
    save_bits(tmp_path / "mask", LESION, bits, lesion=2)
    levels = read_levels(tmp_path / "mask.png")
    assert understand_levels(levels, ".png") is None


def test_a_jpeg_has_soft_edges(tmp_path: Path) -> None:
    path = tmp_path / "mask.jpg"
    for quality in (50, 75, 95):
        grey(LESION).save(path, quality=quality)
        levels = read_levels(path)
        assert understand_levels(levels, ".jpg") == SOFT_EDGES
        assert np.mean((levels > 128) != LESION) < 0.01


@pytest.mark.parametrize(
    ("levels", "meaning"),
    [
        ((0,), PLAIN),
        ((255,), PLAIN),
        ((0, 255), PLAIN),
        ((1,), ZERO_ONE),
        ((0, 1), ZERO_ONE),
        ((0, 2), None),
        ((0, 128), None),
        ((0, 1, 255), None),  # classes, and what is left out
        ((0, 128, 255), None),
        (tuple(range(256)), None),  # a map of probabilities
        (tuple(range(30)), None),  # classes
    ],
)
def test_levels_mean_one_thing_or_nothing(levels: tuple[int, ...], meaning: str | None) -> None:
    mask = np.resize(np.array(levels, np.uint8), (32, 32))
    assert understand_levels(mask, ".png") == meaning


def test_an_orientation_turns_a_mask_as_it_turns_an_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    path = tmp_path / "mask.png"
    grey(LESION[::-1, ::-1]).save(path, exif=exif)
    assert np.array_equal(read_mask(path), LESION)
    assert not holds_mask(path, LESION)
    grey(LESION).save(path)
    assert holds_mask(path, LESION)


def test_an_outline_in_the_alpha_channel_alone_is_refused(tmp_path: Path) -> None:
    white = Image.new("RGB", (80, 60), "white")
    white.putalpha(grey(LESION))
    white.save(tmp_path / "mask.png")
    with pytest.raises(InputError, match="in the alpha channel"):
        read_mask(tmp_path / "mask.png")
