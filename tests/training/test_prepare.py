import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.errors import InputError
from inference.images.pixels import read_image, read_mask, resize, resize_mask
from inference.images.write import write_image
from inference.masks.png import write_mask
from tests.inference.images.mask_files import KINDS
from training.data import inspection
from training.data.cache import open_split
from training.data.pairs import Pair
from training.data.split import SPLITS
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS

COUNTS = {"train": 21, "valid": 3, "test": 6}


def read_manifest(data: Path) -> list[dict[str, str]]:
    with (data / "manifest.csv").open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def copy(raw: Path, tmp_path: Path) -> Path:
    """The made-up raw folder, free to be spoilt."""
    return Path(shutil.copytree(raw, tmp_path / "raw"))


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
        "SYNTH_0000005": "mask has the level 7",
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
        ((0, 1, 255), "level 1;"),
        ((0, 1, 2), "level 1;"),
        ((0, 128), "level 128;"),
        ((0, 60), "level 60;"),
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


def test_near_duplicates_and_given_groups_stay_together(copy: Path, tmp_path: Path) -> None:
    for number in range(8):  # another photograph each: brighter, softer, a little moved
        image = read_image(copy / IMAGES / f"SYNTH_{number:07}.jpg")
        moved = np.roll(cv2.GaussianBlur(image, (3, 3), 0), 1, axis=1) // 10 * 9 + 20
        write_image(copy / IMAGES / f"TWIN_{number}.jpg", moved)
        shutil.copy(
            copy / MASKS / f"SYNTH_{number:07}_segmentation.png",
            copy / MASKS / f"TWIN_{number}_segmentation.png",
        )
    groups = tmp_path / "groups.csv"
    rows = [f"SYNTH_{number:07},{number % 4}" for number in range(10, 30)]
    groups.write_text("\n".join(["name,group", *rows, "NOT_HERE,0"]))
    prepare(copy, tmp_path / "data", groups=groups, size=32)
    manifest = {row["name"]: row for row in read_manifest(tmp_path / "data")}
    for number in range(8):
        original, twin = manifest[f"SYNTH_{number:07}"], manifest[f"TWIN_{number}"]
        assert original["group"] == twin["group"] == original["name"]
    splits: dict[str, set[str]] = {}
    for row in manifest.values():
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert len({manifest[f"SYNTH_{number:07}"]["group"] for number in range(10, 30)}) <= 4
    assert Counter(row["split"] for row in manifest.values())["test"] > 0


def test_two_folders_of_one_name_each(raw: Path, tmp_path: Path) -> None:
    for path in (raw / IMAGES).iterdir():
        write_image(tmp_path / "photos" / f"{path.stem}.png", read_image(path))
    for path in (raw / MASKS).iterdir():
        name = path.name.replace("_segmentation", "")
        (tmp_path / "outlines").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "outlines" / name)
    data = tmp_path / "data"
    assert prepare(tmp_path / "photos", data, masks=tmp_path / "outlines", size=32) == 0
    assert Counter(row["split"] for row in read_manifest(data)) == COUNTS


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


def test_another_split_is_not_mixed_in(raw: Path, copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(raw, data, size=32)
    before = snapshot(data)
    with pytest.raises(InputError, match="holds a split of other images, masks, groups or seed"):
        prepare(raw, data, size=32, seed=1)
    after = snapshot(data)
    assert {path: after[path] for path in before} == before


def test_an_edit_of_the_data_set_does_not_reach_the_raw_data(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    before = snapshot(copy)
    for path in (data / "test").iterdir():
        path.write_bytes(b"")
    assert snapshot(copy) == before


def test_a_changed_mask_is_no_longer_the_same_data_set(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    write_mask(copy / MASKS / "SYNTH_0000003_segmentation.png", np.ones((96, 128), bool))
    with pytest.raises(InputError, match="holds a split of other images, masks"):
        prepare(copy, data, size=32)


def test_a_second_split_is_never_laid_over_the_first(raw: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(raw, data, size=32)
    (data / "manifest.csv").unlink()
    with pytest.raises(InputError, match="does not belong to this split"):
        prepare(raw, data, size=32, seed=5)


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


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
        ("train", "train_GT"),
        ("unlabelled", "ground truth"),
        ("Skin Lesion Segmentation/images", "Skin Lesion Segmentation/labels"),
    ],
)
def test_folders_of_masks_are_known_by_a_word(
    raw: Path, tmp_path: Path, images: str, masks: str
) -> None:
    given = tmp_path / "given"
    shutil.copytree(raw / IMAGES, given / images)
    shutil.copytree(raw / MASKS, given / masks)
    for path in (given / masks).iterdir():
        path.rename(path.with_name(path.name.replace("_segmentation", "")))
    assert prepare(given, tmp_path / "data", size=32) == 0
    assert Counter(row["split"] for row in read_manifest(tmp_path / "data")) == COUNTS


def test_the_data_set_does_not_lie_in_the_raw_data(copy: Path) -> None:
    with pytest.raises(InputError, match="is inside"):
        prepare(copy, copy / "data", size=32)


def test_a_changed_file_is_cached_anew(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    before = open_split(data, "test", 32)
    kept = np.array(before.masks)
    path = data / "test_GT" / f"{before.names[2]}_segmentation.png"
    write_mask(path, ~read_mask(path))
    after = open_split(data, "test", 32)
    assert np.array_equal(after.images, before.images)
    assert np.array_equal(after.masks[2], resize_mask(read_mask(path), 32))
    assert (after.masks[2] != kept[2]).any() and np.array_equal(after.masks[:2], kept[:2])


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_a_damaged_cache_is_made_anew(copy: Path, tmp_path: Path, damage: bytes) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    masks = np.array(open_split(data, "test", 32).masks)
    (data / "cache" / "test-32-masks.npy").write_bytes(damage)
    assert np.array_equal(open_split(data, "test", 32).masks, masks)


def test_masks_of_a_hand_made_data_set_are_checked(copy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(copy, data, size=32)
    name = open_split(data, "test", 32).names[0]
    write_image(data / "test_GT" / f"{name}_segmentation.png", np.full((96, 128), 7, np.uint8))
    with pytest.raises(InputError, match="mask has the level 7"):
        open_split(data, "test", 32)


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


def test_the_real_images_split_1815_259_520(isic: Path, tmp_path: Path) -> None:
    groups = isic / "near-duplicates.csv"
    assert prepare(isic, tmp_path / "data", groups=groups, size=32) == 0
    manifest = read_manifest(tmp_path / "data")
    assert Counter(row["split"] for row in manifest) == {"train": 1815, "valid": 259, "test": 520}
    split = {row["name"]: row["split"] for row in manifest}
    with groups.open(newline="") as file:
        members: dict[str, set[str]] = {}
        for row in csv.DictReader(file):
            members.setdefault(row["group"], set()).add(split[row["name"]])
    assert members and all(len(splits) == 1 for splits in members.values())


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


def arrange(raw: Path, root: Path, splits: dict[str, range]) -> Path:
    """The made-up pairs in folders SPLIT/images and SPLIT/masks, numbered anew in each."""
    for split, numbers in splits.items():
        for new, old in enumerate(numbers):
            for kind, part, end in (
                (IMAGES, "images", ".jpg"),
                (MASKS, "masks", "_segmentation.png"),
            ):
                target = root / split / part / f"{new}{end[-4:]}"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(raw / kind / f"SYNTH_{old:07}{end}", target)
    return root


def test_ones_own_split_is_kept(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"train": range(12), "val": range(12, 17), "test": range(17, 24)}
    given, data = arrange(raw, tmp_path / "given", parts), tmp_path / "data"
    assert prepare(given, data, size=32) == 0
    assert "your own split is kept" in capsys.readouterr().out
    for split, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        numbers = parts[split]
        assert len(open_split(data, name, 32)) == len(numbers)
        for new, old in enumerate(numbers):
            raw_image = raw / IMAGES / f"SYNTH_{old:07}.jpg"
            assert (data / name / f"{new}.jpg").read_bytes() == raw_image.read_bytes()
    assert Counter(row["split"] for row in read_manifest(data)) == {
        "train": 12,
        "valid": 5,
        "test": 7,
    }
    before = snapshot(data)
    prepare(given, data, size=32)
    assert snapshot(data) == before


def test_validation_images_are_drawn_from_those_of_training(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arrange(raw, tmp_path / "given", {"train": range(20), "test": range(20, 30)})
    assert prepare(given, tmp_path / "data", size=32) == 0
    assert "no validation images were given: 2 drawn from train" in capsys.readouterr().out
    splits = Counter(row["split"] for row in read_manifest(tmp_path / "data"))
    assert splits == {"train": 18, "valid": 2, "test": 10}


def test_a_split_without_test_images_and_twins_on_both_sides_are_said(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arrange(raw, tmp_path / "given", {"train": range(8), "valid": range(6, 10)})
    assert prepare(given, tmp_path / "data", size=32) == 0
    printed = capsys.readouterr().out
    assert "no test images were given" in printed and "warning: 2 groups" in printed
    assert not (tmp_path / "data" / "test").exists()


def test_a_split_in_a_table(raw: Path, tmp_path: Path) -> None:
    words = ("train", "val", "test")
    table = tmp_path / "split.csv"
    chosen = {f"SYNTH_{n:07}": words[n % 3] for n in range(30)}
    table.write_text("name,split\n" + "".join(f"{n},{s}\n" for n, s in chosen.items()))
    assert prepare(raw, tmp_path / "data", split=table, size=32) == 0
    found = {row["name"]: row["split"] for row in read_manifest(tmp_path / "data")}
    assert found == {name: "valid" if word == "val" else word for name, word in chosen.items()}
    table.write_text("name,split\nSYNTH_0000001,train\nSYNTH_0000002,test\n")
    with pytest.raises(InputError, match=r"split\.csv, nor are 27 others"):
        prepare(raw, tmp_path / "other", split=table, size=32)


def test_pairs_in_a_table(raw: Path, copy: Path, tmp_path: Path) -> None:
    table = copy / "pairs.csv"
    lines = [f"{IMAGES}/SYNTH_{n:07}.jpg,{MASKS}/SYNTH_{n:07}_segmentation.png" for n in range(10)]
    table.write_text("\n".join(["image,mask", *lines]))
    assert prepare(copy, tmp_path / "data", pairs=table, size=32) == 0
    assert Counter(row["split"] for row in read_manifest(tmp_path / "data")) == {
        "train": 7, "valid": 1, "test": 2
    }  # fmt: skip
    words = ["train", "train", "train", "val", "test"] * 2
    table.write_text("\n".join(["image,mask,split", *(f"{a},{b}" for a, b in zip(lines, words))]))
    assert prepare(copy, tmp_path / "own", pairs=table, size=32) == 0
    assert Counter(row["split"] for row in read_manifest(tmp_path / "own")) == {
        "train": 6, "valid": 2, "test": 2
    }  # fmt: skip
    table.write_text("\n".join(["image,mask", *lines, "no.jpg,no.png"]))
    assert prepare(copy, tmp_path / "third", pairs=table, size=32) == 1
    with pytest.raises(InputError, match="--pairs: names every mask itself"):
        prepare(copy, tmp_path / "fourth", pairs=table, masks=copy / MASKS, size=32)


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
