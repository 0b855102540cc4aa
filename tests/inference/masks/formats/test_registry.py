"""Every format holds, byte for byte, what the releases before the registry wrote."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.batch.options import SegmentOptions, tabulate_formats
from inference.batch.overviews import OVERVIEWS
from inference.batch.writer import product_paths, write_products
from inference.contract import Contract
from inference.errors import InputError
from inference.images.write import write_image
from inference.masks.drawing import draw_outline, find_border
from inference.masks.formats.registry import FORMATS, find_format
from inference.masks.png import write_mask
from inference.masks.segmentation import Segmentation
from tests.contents import contents

NAMES = {
    "mask": "a_segmentation.png",
    "overlay": "a_overlay.jpg",
    "contour": "a_contour.png",
    "rle": "a_rle.json",
    "geojson": "a.geojson",
    "labelme": "a_labelme.json",
    "probability": "a_probability.png",
}
# SHA-256 of the text formats, and of the decoded pixels of the images: encoders differ by machine.
DIGESTS = {
    "mask": "30cee3c69b5371584afce7de4624398c76f59c22cf09dbe962b92ad9f557607c",
    "contour": "3de848cae3fa7b3f035fe79da6c8149c86445265554dbf00f552782f24764dd2",
    "rle": "75a0a617b3887818474f8c5e3e389f425b81df4df111069431b620e81239ec90",
    "geojson": "190099cea7550831166d4a0499a20077f335965f955abb4a33d478c9263c31d2",
    "probability": "59ba14f2c7fb41f17f6ab55c52bf2929db359472d4b159282f5c2584d72db1f0",
}


@pytest.fixture
def lesion() -> Segmentation:
    """Two regions, one of them with a hole, on an image that is not square."""
    probability = np.zeros((16, 16), np.float32)
    probability[2:11, 2:11] = 0.875
    probability[5:8, 5:8] = 0.125
    probability[13:15, 13:15] = 0.75
    image = np.arange(32 * 48 * 3, dtype=np.uint8).reshape(32, 48, 3)
    return Segmentation(image, probability, 32, 48, Contract(size=16))


def digest(path: Path) -> str:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    content = path.read_bytes() if pixels is None else pixels.tobytes()
    return hashlib.sha256(content).hexdigest()


def test_names_and_contents_stay(lesion: Segmentation, tmp_path: Path) -> None:
    paths = write_products(lesion, tmp_path / "a", NAMES)
    assert {name: path.name for name, path in paths.items()} == NAMES
    assert {name: digest(paths[name]) for name in DIGESTS} == DIGESTS


def test_bytes_are_those_of_the_writers(lesion: Segmentation, tmp_path: Path) -> None:
    """For the formats whose bytes depend on the machine's encoders."""
    write_products(lesion, tmp_path / "a", NAMES)
    expected = tmp_path / "expected"
    write_mask(expected / "a_segmentation.png", lesion.mask)
    write_mask(expected / "a_contour.png", find_border(lesion.mask))
    write_image(expected / "a_overlay.jpg", draw_outline(lesion.image, lesion.mask))
    levels = np.rint(255 * cv2.resize(lesion.probability, (48, 32))).astype(np.uint8)
    write_image(expected / "a_probability.png", levels)
    written = contents(tmp_path)
    for name, data in contents(expected).items():
        assert written[name] == data, name


def test_names_tell_formats_apart() -> None:
    assert find_format(Path("X_PROBABILITY.PNG")) is FORMATS["probability"]
    endings = [found.ending for found in FORMATS.values()]
    assert len({*endings}) == len(endings) and not FORMATS.keys() & OVERVIEWS.keys()
    for ending in endings:
        assert [other for other in endings if ending.endswith(other)] == [ending]
    suffixes = [suffix for found in FORMATS.values() for suffix in found.suffixes]
    assert len({*suffixes}) == len(suffixes)


def test_the_help_is_a_table_on_a_terminal_of_80_columns() -> None:
    lines = tabulate_formats().splitlines()[1:]
    assert [line.split()[0] for line in lines] == [*FORMATS, *OVERVIEWS]
    shown = subprocess.run(
        [sys.executable, "-m", "inference.segment", "--help"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    for line in lines:  # none is broken
        assert f"{line} " in shown, line


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--save msk: no such format; choose from mask, overlay"):
        SegmentOptions(output=tmp_path, save=("mask", "msk")).check()
    for name in ("sheet", "report", "coco", "cvat", "labelstudio"):
        with pytest.raises(InputError, match=f"--save {name}: needs the masks too; add mask"):
            SegmentOptions(output=tmp_path, save=(name,)).check()
    SegmentOptions(output=tmp_path, save=()).check()
    assert SegmentOptions(save=("mask", "report")).products == {"mask", "csv"}
    assert SegmentOptions(save=("mask", "sheet")).products == {"mask"}
    assert product_paths(tmp_path / "a", ["csv", "sheet"]) == {}
