"""Raw folders become a data set, whole, once and for all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import InputError
from inference.images.pixels import read_image, read_mask, resize, resize_mask
from inference.masks.png import write_mask
from tests.source_tree import ROOT
from tests.training.data.prepared import COUNTS, read_manifest, snapshot
from training.data.cache import open_split
from training.data.split import SPLITS
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS


def test_layout_and_manifest(raw: Path, data: Path) -> None:
    manifest = read_manifest(data)
    assert Counter(row["split"] for row in manifest) == COUNTS
    for row in manifest:
        name, split = row["name"], row["split"]
        assert (data / split / f"{name}.jpg").read_bytes() == (
            raw / IMAGES / f"{name}.jpg"
        ).read_bytes()
        assert (data / f"{split}_GT" / f"{name}_segmentation.png").is_file()
        assert (row["width"], row["height"]) == ("128", "96")
    for split, count in COUNTS.items():
        assert len(list((data / split).iterdir())) == count
        assert len(list((data / f"{split}_GT").iterdir())) == count


def test_cache_holds_what_inference_would_see(data: Path) -> None:
    for split in SPLITS:
        cached = open_split(data, split, 64)
        assert len(cached) == COUNTS[split]
        for name, image, mask in zip(cached.names, cached.images, cached.masks, strict=True):
            expected = resize(read_image(data / split / f"{name}.jpg"), 64)
            assert np.array_equal(image, expected)
            truth = read_mask(data / f"{split}_GT" / f"{name}_segmentation.png")
            assert np.array_equal(mask, resize_mask(truth, 64))


def test_run_twice_changes_nothing(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    before = snapshot(data)
    prepare(copy, data, size=32)
    assert snapshot(data) == before


def test_sources_share_one_split(raw: Path, copy: Path, tmp_path: Path) -> None:
    frames = copy.rename(tmp_path / "frames")
    for path in (frames / IMAGES).glob("*[5-9].jpg"):
        path.unlink()
        (frames / MASKS / f"{path.stem}_segmentation.png").unlink()
    data = tmp_path / "data"
    prepare(raw, data, also=(frames,), size=32)
    by_source: dict[str, dict[str, str]] = {"": {}, "frames": {}}
    for row in read_manifest(data):
        by_source[row["source"]][row["name"]] = row["split"]
        assert (data / row["source"] / row["split"] / f"{row['name']}.jpg").is_file()
    assert len(by_source["frames"]) == 15
    assert by_source["frames"].items() <= by_source[""].items()
    assert Counter(by_source[""].values()) == COUNTS
    train = open_split(data, "train", 32)
    assert len(train) == 21 + Counter(by_source["frames"].values())["train"]
    assert any(name.startswith("frames/") for name in train.names)


@pytest.mark.parametrize("what", ["nothing", "no folder", "one pair", "two of a name"])
def test_bad_input_is_one_line(raw: Path, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "given"
    if what != "no folder":
        folder.mkdir()
    if what in ("one pair", "two of a name"):
        for part in (IMAGES, MASKS):
            path = next((raw / part).iterdir())
            (folder / part).mkdir()
            shutil.copy(path, folder / part)
    if what == "two of a name":
        (folder / "more").mkdir()
        shutil.copy(next((folder / IMAGES).iterdir()), folder / "more")
    with pytest.raises(InputError) as error:
        prepare(folder, tmp_path / "data", size=32)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data" / "manifest.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"size": 70}, "must be a multiple of 32; 64 or 96 would do"),
        ({"size": 80}, "must be a multiple of 32; 64 or 96 would do"),
        ({"size": 80, "arch": "attunet_lite0"}, "must be a multiple of 32; 64 or 96 would do"),
        ({"size": 70, "arch": "attunet"}, "must be a multiple of 16; 64 or 80 would do"),
        ({"size": 64, "arch": "vnet"}, "--arch vnet: no such network; choose from unet, attunet"),
        ({"workers": -1}, "--workers -1: must be at least 0"),
    ],
)
def test_sizes_suit_the_network_that_will_train(
    raw: Path, tmp_path: Path, arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InputError, match=rule):
        prepare(raw, tmp_path / "data", **arguments)
    assert not (tmp_path / "data").exists()


def test_a_size_for_one_network(raw: Path, tmp_path: Path) -> None:
    assert prepare(raw, tmp_path / "data", size=16, arch="r2unet") == 0
    assert open_split(tmp_path / "data", "test", 16).images.shape == (6, 16, 16, 3)


def test_a_name_that_is_no_utf_8_stops_nothing(raw: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    for number in range(5):
        name = os.fsdecode(b"l\xe4sion" + str(number).encode())
        for kind, part, end in ((IMAGES, "images", ".jpg"), (MASKS, "masks", "_segmentation.png")):
            (given / part).mkdir(parents=True, exist_ok=True)
            shutil.copy(raw / kind / f"SYNTH_{number:07}{end}", given / part / f"{name}{end}")
    next((given / "images").iterdir()).write_bytes(b"")
    command = [sys.executable, "-m", "training.prepare", str(given), str(tmp_path / "data")]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(
        [*command, "--size", "32"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "left out: l\\udce4sion" in done.stdout
    assert len(read_manifest(tmp_path / "data")) == 4


def test_a_source_may_have_a_name_that_stdout_cannot_show(raw: Path, tmp_path: Path) -> None:
    """The table comes when the work is done: an error there would look like a failure."""
    named = tmp_path / "Läsion"
    shutil.copytree(raw, named)
    command = [sys.executable, "-m", "training.prepare"]
    done = subprocess.run(
        [*command, str(raw), str(tmp_path / "data"), "--also", str(named), "--size", "32"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and r"l\xe4sion" in done.stdout.lower(), done.stderr


def test_inverted_masks_are_noticed(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(copy, tmp_path / "data", size=32) == 0
    assert "inverted" not in capsys.readouterr().out
    for path in (copy / MASKS).iterdir():
        write_mask(path, ~read_mask(path))
    assert prepare(copy, tmp_path / "inverted", size=32) == 0
    assert "they look inverted; lesion must be white" in capsys.readouterr().out
