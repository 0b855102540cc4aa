from collections import Counter
from pathlib import Path

import pytest

from inference.errors import InputError
from tests.training.data.prepared import read_manifest
from training.data.tables import (
    read_groups,
    read_own_rows,
    read_pairs,
    read_splits,
    write_rows_once,
)
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_splits(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "split.csv"
    rows = ["name,split", "a.jpg,Train", "läsion,val", "c,Validation", "d,TEST"]
    path.write_text("\n".join(rows), encoding=encoding)
    expected = {"a": "train", "läsion": "valid", "c": "valid", "d": "test"}
    assert read_splits(path) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,split\na,holdout\n", "'holdout' is not a split; write one of train"),
        ("name,split\na,\n", "'' is not a split"),
        ("name,split\na\n", "a line has no name and split"),
        ("name,split\na,train\na,test\n", "a is in train and in test"),
        ("image,fold\na,1\n", "not name and split; add them"),
        ("", "not name and split; add them"),
        ("name,split\n", "has no rows; write one for each image: name,split"),
        ('name,split\n"a,train\nb,test\n', r"not a CSV file \(.*\); quotes enclose whole cells"),
        ('name,split\n"' + "a" * 200_000, r"not a CSV file \(.*\); quotes enclose whole cells"),
    ],
)
def test_a_wrong_table_of_splits_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_splits(path)


def test_a_table_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "image,mask,split\np1/1.jpg,m/1.png,train\np2/1.jpg,m/2.png,test\n2.jpg,3.png,val"
    )
    found = [(pair.key, pair.image, pair.mask) for pair in read_pairs(path)]
    assert found == [
        ("train/p1_1", tmp_path / "p1/1.jpg", tmp_path / "m/1.png"),
        ("test/p2_1", tmp_path / "p2/1.jpg", tmp_path / "m/2.png"),
        ("valid/2", tmp_path / "2.jpg", tmp_path / "3.png"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image,mask\n", "has no rows"),
        ("image,mask\na.jpg,\n", "lacks its image or mask"),
        ("image,mask\na.jpg,a.png\na.jpg,b.png\n", "are both named a; keep one"),
        ("photo,mask\na.jpg,a.png\n", "not image and mask; add them"),
    ],
)
def test_a_wrong_table_of_pairs_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_pairs(path)


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
    with pytest.raises(InputError, match="--pairs: lists every mask itself"):
        prepare(copy, tmp_path / "fourth", pairs=table, masks=copy / MASKS, size=32)


def test_cells_may_have_spaces_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text('name , group \nx1 , A\nimages/x2, A \n "images/x3.png","A"\n')
    assert read_groups(path) == [{"x1", "x2", "x3"}]
    path.write_text("name,group\n")
    with pytest.raises(InputError, match="has no rows; write one for each image: name,group"):
        read_groups(path)


def test_names_in_tables_that_match_no_image_are_counted(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text(
        "name,group\nimages/SYNTH_0000001 , A\nSYNTH_0000002 ,A\nsynth_0000003,A\nSYNTH_4,A\n"
    )
    split = tmp_path / "split.csv"
    names = [f"SYNTH_{number:07}" for number in range(30)]
    split.write_text("name,split\n" + "".join(f"{n},train\n" for n in [*names, "more"]))
    assert prepare(raw, tmp_path / "data", groups=groups, split=split, size=32) == 0
    rows = {row["name"]: row["group"] for row in read_manifest(tmp_path / "data")}
    assert rows["SYNTH_0000001"] == rows["SYNTH_0000002"] != rows["SYNTH_0000003"]
    said = capsys.readouterr().out
    assert "groups.csv: 2 names match no image, the first is 'SYNTH_4'; " in said
    assert "split.csv: 1 names match no image, the first is 'more'; " in said


STRANGE = ["a\u2028b", "a\x85b", "a\nb", "a\rb", "a\r\nb", "a\r", " a ", 'a"b', "l\udce4sion", "ä"]


def test_own_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    for _ in range(2):  # the second time, it is compared
        write_rows_once(path, ("name", "fold"), [(name, 1) for name in STRANGE], "differs")
    rows = read_own_rows(path, "name", "fold")
    assert rows == [{"name": name, "fold": "1"} for name in STRANGE]
