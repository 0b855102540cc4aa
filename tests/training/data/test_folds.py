"""Cross-validation: every image in one fold, groups whole, and what a fold is trained and judged on."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from export.data_set import read_manifest, write_splits
from inference import models
from inference.errors import InputError
from training.config import make_config
from training.data.cache import open_split
from training.data.folds import FOLDS, ChosenRows, deal_folds, open_fold
from training.prepare import prepare
from training.synthesize import IMAGES, MASKS
from training.train import train


def test_groups_are_dealt_out_whole_and_evenly() -> None:
    groups = [f"g{n // 3}" for n in range(60)] + [f"s{n}" for n in range(43)]
    folds = deal_folds(groups, 5, 0)
    images = Counter(folds[group] for group in groups)
    assert sorted(images) == [0, 1, 2, 3, 4]
    assert max(images.values()) - min(images.values()) <= 1
    assert deal_folds(reversed(groups), 5, 0) == folds
    assert deal_folds(groups, 5, 1) != folds


def test_a_large_group_is_not_divided() -> None:
    folds = deal_folds(["big"] * 50 + ["a", "b", "c"], 2, 0)
    assert {folds[name] for name in "abc"} == {1 - folds["big"]}
    with pytest.raises(InputError, match=r"--folds 5: there are 4 groups"):
        deal_folds(["big", "a", "b", "c"], 5, 0)


def test_chosen_rows_are_those_of_the_arrays() -> None:
    whole = np.arange(60).reshape(10, 3, 2)
    rows = np.array([9, 0, 5, 4])
    chosen = ChosenRows([whole[:5], whole[5:]], rows)
    assert chosen.shape == (4, 3, 2)
    assert np.array_equal(chosen[np.arange(4)], whole[rows])
    assert np.array_equal(chosen[2], whole[5])


@pytest.fixture
def folded(raw: Path, tmp_path: Path) -> Path:
    assert prepare(raw, tmp_path / "data", size=32, folds=4) == 0
    return tmp_path / "data"


def test_each_image_is_judged_in_one_fold_and_trained_on_in_the_others(folded: Path) -> None:
    splits = {name: open_split(folded, name, 32) for name in ("train", "valid", "test")}
    all_names = splits["train"].names + splits["valid"].names
    with (folded / "manifest.csv").open() as file:
        group = {row["name"]: row["group"] for row in csv.DictReader(file)}
    judged = []
    for fold in range(4):
        training, validation = open_fold(folded, fold, 32)
        assert sorted(training.names + validation.names) == sorted(all_names)
        assert not {group[n] for n in training.names} & {group[n] for n in validation.names}
        judged += validation.names
        for part in (training, validation):
            for row, name in enumerate(part.names):
                source = splits["train" if name in splits["train"].names else "valid"]
                place = source.names.index(name)
                assert np.array_equal(part.images[row], source.images[place])
                assert np.array_equal(part.masks[row], source.masks[place])
    assert sorted(judged) == sorted(all_names)
    assert not {*judged} & {*splits["test"].names}


def test_folds_stay_as_they_were_dealt(raw: Path, folded: Path) -> None:
    before = (folded / FOLDS).read_bytes()
    assert prepare(raw, folded, size=32, folds=4) == 0
    assert prepare(raw, folded, size=32) == 0
    assert (folded / FOLDS).read_bytes() == before
    with pytest.raises(InputError, match=r"folds.csv: was made with other settings; delete it"):
        prepare(raw, folded, size=32, folds=3)


def test_what_is_no_fold_is_refused(raw: Path, folded: Path) -> None:
    with pytest.raises(InputError, match=r"--fold 4: .* has the folds 0, 1, 2, 3"):
        open_fold(folded, 4, 32)
    lines = (folded / FOLDS).read_text().splitlines(keepends=True)
    (folded / FOLDS).write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"does not match the images"):
        open_fold(folded, 0, 32)
    (folded / FOLDS).unlink()
    with pytest.raises(InputError, match=r"has no folds; make them with training.prepare --folds"):
        open_fold(folded, 0, 32)
    with pytest.raises(InputError, match=r"--folds 1: must be 0, or at least 2"):
        prepare(raw, folded, size=32, folds=1)
    with pytest.raises(InputError, match=r"--fold -1: must be at least 0"):
        make_config(folded, fold=-1)


def test_a_fold_trains(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "fold-1"
    config = make_config(
        folded, fold=1, out=out, width=2, size=32, epochs=1, batch_size=4, device="cpu"
    )
    assert train(config) == 0
    assert (out / "best.pt").exists()
    assert (out / "overlays.jpg").exists()


def test_too_many_folds_leave_nothing_behind(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--folds 50: there are "):
        prepare(raw, tmp_path / "data", size=32, folds=50)
    assert not (tmp_path / "data" / "manifest.csv").exists()
    assert prepare(raw, tmp_path / "data", size=32, seed=1, folds=2) == 0


def test_folds_of_any_names(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a\u2028b", "a\nb", "a\rb", " a ", "l\udce4sion")
    for number, name in enumerate(names):
        (copy / IMAGES / f"SYNTH_{number:07}.jpg").rename(copy / IMAGES / f"{name}.jpg")
        mask = copy / MASKS / f"SYNTH_{number:07}_segmentation.png"
        mask.rename(copy / MASKS / f"{name}_segmentation.png")
    data = tmp_path / "data"
    assert prepare(copy, data, size=32, folds=2) == 0
    training, validation = open_fold(data, 0, 32)
    manifest = read_manifest(data)
    assert {row["name"] for row in manifest if row["split"] != "test"} == {
        *training.names,
        *validation.names,
    }
    write_splits(tmp_path / "splits.csv", manifest)
    assert {row["name"] for row in manifest} > {*names}
    monkeypatch.setattr(models, "SPLITS", tmp_path / "splits.csv")
    assert models.read_splits() == {row["name"]: row["split"] for row in manifest}
