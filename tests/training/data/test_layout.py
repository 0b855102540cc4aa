"""A data set is one split of one set of raw files, and never touches them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.errors import InputError
from inference.masks.png import write_mask
from tests.training.data.prepared import snapshot
from training.prepare import prepare
from training.synthesize import MASKS


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


def test_the_data_set_does_not_lie_in_the_raw_data(copy: Path) -> None:
    with pytest.raises(InputError, match="is inside"):
        prepare(copy, copy / "data", size=32)
