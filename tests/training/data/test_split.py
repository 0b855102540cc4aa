import csv
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import InputError
from inference.images.pixels import read_image
from inference.images.write import write_image
from tests.training.data.prepared import read_manifest
from training.data.split import (
    find_near_duplicates,
    group_names,
    hash_image,
    split_groups,
)
from training.data.tables import read_groups
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS
from training.synthetic.lesion import make_lesion


def test_numbers_of_the_challenge() -> None:
    groups = {f"ISIC_{n:07}": f"ISIC_{n:07}" for n in range(2594)}
    assert Counter(split_groups(groups, 0).values()) == {"train": 1815, "valid": 259, "test": 520}


@pytest.mark.parametrize("count", [3, 4, 5, 10, 11, 29, 90, 101])
def test_every_split_has_an_image(count: int) -> None:
    splits = Counter(split_groups({str(n): str(n) for n in range(count)}, 0).values())
    assert set(splits) == {"train", "valid", "test"}
    assert splits["train"] == max(1, min(count * 7 // 10, count - splits["valid"] - 1))


def test_the_split_is_the_same_everywhere_and_another_with_another_seed() -> None:
    groups = {name: name for name in "abcdefghij"}
    split = split_groups(groups, 7)
    assert split_groups(dict(reversed(groups.items())), 7) == split
    # Pinned: an upgrade of Python or numpy must not reshuffle anyone's data.
    assert [name for name in split if split[name] == "valid"] == ["j"]
    assert sorted(name for name in split if split[name] == "test") == ["e", "h"]
    assert any(split_groups(groups, seed) != split for seed in range(8, 12))


def test_large_groups_leave_the_numbers_right() -> None:
    groups = {str(n): str(n - n % 5 if n < 300 else n) for n in range(1000)}
    splits = split_groups(groups, 0)
    assert Counter(splits.values()) == {"train": 700, "valid": 100, "test": 200}
    by_group: dict[str, set[str]] = {}
    for name, group in groups.items():
        by_group.setdefault(group, set()).add(splits[name])
    assert all(len(found) == 1 for found in by_group.values())
    in_groups = Counter(splits[str(n)] for n in range(300))
    assert in_groups["train"] > in_groups["test"] > in_groups["valid"] > 0


def test_groups_join_wherever_they_touch() -> None:
    groups = group_names("fedcba", [{"a", "b"}, {"e", "f"}, {"b", "c"}, {"gone", "d"}])
    assert groups == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e", "f": "e"}


def test_hashes_tell_twins_from_strangers(rng: np.random.Generator) -> None:
    hashes = {}
    for number in range(30):
        image, _ = make_lesion(np.random.default_rng(number), 96, 128)
        noise = rng.normal(0, 4, image.shape)
        twin = np.clip(image * 0.9 + 10 + noise, 0, 255).astype(np.uint8)
        hashes |= {f"{number}": hash_image(image), f"{number}'": hash_image(twin)}
    found = {frozenset(pair) for pair in find_near_duplicates(hashes)}
    assert found == {frozenset({f"{number}", f"{number}'"}) for number in range(30)}


def test_a_file_of_groups_has_a_name_and_a_group(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("\ufeffname,group\na,1\nb,2\nc,1\n", encoding="utf-8")
    assert read_groups(path) == [{"a", "c"}, {"b"}]
    path.write_text("image;lesion\na;1\n")
    with pytest.raises(InputError, match="not name and group"):
        read_groups(path)
    with pytest.raises(InputError, match="no such file"):
        read_groups(tmp_path / "none.csv")


def test_a_group_goes_where_it_fits() -> None:
    groups = {f"{n:02}": "large" if n < 4 else "other" if n < 8 else str(n) for n in range(20)}
    splits = split_groups(groups, 0)
    assert Counter(splits.values()) == {"train": 14, "valid": 2, "test": 4}


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(InputError, match="give at least 3 groups"):
        split_groups({str(n): "one" for n in range(12)}, 0)


def test_empty_cells_are_no_group_and_suffixes_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("name,group\na.jpg,1\nb,1\nc,\nd,\n")
    assert read_groups(path) == [{"a", "b"}]
    path.write_bytes("name,group\nläsion,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_groups(path)


def test_made_up_lesions_are_no_near_duplicates() -> None:
    lesions = (make_lesion(np.random.default_rng(n), 96, 128)[0] for n in range(60))
    hashes = {str(n): hash_image(lesion) for n, lesion in enumerate(lesions)}
    assert not list(find_near_duplicates(hashes))


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
