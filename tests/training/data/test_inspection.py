"""What is wrong with a pair is named, and what is right is understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.images.pixels import read_mask
from inference.images.write import write_image
from inference.masks.png import write_mask
from tests.inference.images.mask_files import KINDS
from tests.training.data.prepared import read_manifest
from training.data import inspection
from training.data.pairs import Pair
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS


def test_interrupted_it_goes_on_and_ends_the_same(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, data = tmp_path / "whole", tmp_path / "data"
    prepare(copy, whole, size=32)
    inspect = inspection.inspect_pair
    inspected: list[str] = []

    def pull_the_plug(pair: Pair) -> inspection.Inspection:
        if len(inspected) >= 10:
            raise KeyboardInterrupt
        inspected.append(pair.name)
        return inspect(pair)

    monkeypatch.setattr(inspection, "inspect_pair", pull_the_plug)
    with pytest.raises(KeyboardInterrupt):
        prepare(copy, data, size=32, workers=1)
    assert not (data / "manifest.csv").exists()
    with (data / ".inspections.jsonl").open("a") as journal:
        journal.write('{"rules": 1, "key": "SYNTH_0000029", "st')  # a line that was being written

    again: list[str] = []

    def count(pair: Pair) -> inspection.Inspection:
        again.append(pair.name)
        return inspect(pair)

    monkeypatch.setattr(inspection, "inspect_pair", count)
    prepare(copy, data, size=32)
    assert 0 < len(again) < 30
    kept = {
        path.relative_to(whole): path.read_bytes()
        for path in whole.rglob("*.*")
        if path.is_file() and "json" not in path.suffix  # which hold times of files
    }
    assert {path: (data / path).read_bytes() for path in kept} == kept


def test_broken_pairs_are_named_and_left_out(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, masks = copy / IMAGES, copy / MASKS

    def mask(number: int) -> Path:
        return masks / f"SYNTH_{number:07}_segmentation.png"

    (images / "SYNTH_0000000.jpg").write_bytes(b"no image")
    (images / "SYNTH_0000001.jpg").write_bytes((images / "SYNTH_0000002.jpg").read_bytes()[:900])
    write_mask(mask(3), np.zeros((96, 128), bool))
    write_mask(mask(4), np.ones((96, 127), bool))
    write_image(mask(5), np.full((96, 128), 7, np.uint8))
    colours = np.tile(np.arange(128, dtype=np.uint8)[None, :, None], (96, 1, 3))
    write_image(mask(6), colours * np.array((1, 2, 0), np.uint8))
    mask(7).unlink()
    (images / "SYNTH_0000008.jpg").unlink()
    (images / "SYNTH_0000009.jpg").unlink()
    (images / "SYNTH_0000009.jpg").symlink_to("nowhere")
    (images / "SYNTH_0000009_superpixels.png").write_bytes(b"")
    (images / "ATTRIBUTION.txt").write_text("anyone")

    data = tmp_path / "data"
    assert prepare(copy, data, size=32) == 1
    printed = capsys.readouterr().out.replace("\n", " ")
    reasons = {
        "SYNTH_0000000": "is not an image",
        "SYNTH_0000001": "copy it again",
        "SYNTH_0000003": "mask is empty",
        "SYNTH_0000004": "image is 128 x 96, mask 127 x 96",
        "SYNTH_0000005": "mask has the value 7",
        "SYNTH_0000006": "3 channels that differ",
        "SYNTH_0000007.jpg": "has no mask",
        "SYNTH_0000008_segmentation.png": "has no image",
        "SYNTH_0000009": "No such file",
    }
    for name, reason in reasons.items():
        assert name in printed and reason in printed
    assert printed.count("left out:") == len(reasons)
    kept = {row["name"] for row in read_manifest(data)}
    assert len(kept) == 21 and not kept & {name[:13] for name in reasons}


def test_masks_of_every_kind_are_understood_and_written_as_0_and_255(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = {}
    for number, save in enumerate(KINDS.values()):
        path = copy / MASKS / f"SYNTH_{number:07}_segmentation.png"
        truth[path.stem] = read_mask(path)
        path.unlink()
        save(path.with_suffix(""), truth[path.stem])
    data = tmp_path / "data"
    assert prepare(copy, data, size=32) == 0
    printed = capsys.readouterr().out
    assert "(only 0 and 1)" in printed and "(soft edges, cut at 128)" in printed
    for name, lesion in truth.items():
        (path,) = data.glob(f"*_GT/{name}.*")
        written = np.array(Image.open(path))
        assert path.suffix == ".png" and written.dtype == np.uint8 and written.ndim == 2
        assert set(np.unique(written)) == {0, 255}
        assert np.array_equal(written > 0, lesion), name


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ((0, 1, 255), "value 1;"),
        ((0, 1, 2), "value 1;"),
        ((0, 128), "value 128;"),
        ((0, 60), "value 60;"),
    ],
)
def test_masks_that_may_mean_several_things_are_left_out(
    copy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    levels: tuple[int, ...],
    reason: str,
) -> None:
    mask = np.resize(np.repeat(np.array(levels, np.uint8), 16), (96, 128))
    write_image(copy / MASKS / "SYNTH_0000004_segmentation.png", mask)
    assert prepare(copy, tmp_path / "data", size=32) == 1
    assert reason in capsys.readouterr().out


def test_an_error_of_the_disk_is_tried_again(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = inspection.read_image

    def fail_once(path: Path) -> np.ndarray:
        monkeypatch.setattr(inspection, "read_image", read)
        raise OSError("input/output error")

    monkeypatch.setattr(inspection, "read_image", fail_once)
    assert prepare(copy, tmp_path / "first", size=32, workers=1) == 1
    (tmp_path / "second").mkdir()
    journal = tmp_path / "first" / ".inspections.jsonl"
    journal.rename(tmp_path / "second" / ".inspections.jsonl")
    assert prepare(copy, tmp_path / "second", size=32) == 0
