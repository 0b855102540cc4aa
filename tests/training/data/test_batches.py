from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.errors import InputError
from training.config import make_config
from training.data import cache
from training.data.batches import Batches, in_order
from training.data.cache import Split, open_split


def numbered(count: int) -> Split:
    """Images whose pixels are all their own number."""
    images = np.repeat(np.arange(count, dtype=np.uint8), 16 * 16 * 3).reshape(count, 16, 16, 3)
    return Split([str(i) for i in range(count)], images, images[..., 0] % 2)


def draw(
    split: Split, rank: int = 0, ranks: int = 1, first: int = 0, **changes: object
) -> list[list[int]]:
    config = make_config(Path("d"), augmentation="none", **changes)
    batches = Batches(split, config, rank, ranks)
    return [images[:, 0, 0, 0].tolist() for images, _ in batches(1, first)]


def test_an_epoch_takes_every_image_once_in_an_order_of_its_own() -> None:
    batches = Batches(numbered(12), make_config(Path("d"), augmentation="none", batch_size=4), 0, 1)
    epochs = [
        np.concatenate([i[:, 0, 0, 0] for i, _ in batches(epoch)]).tolist() for epoch in (0, 1)
    ]
    assert len(batches) == 3
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12)) and epochs[0] != epochs[1]


def test_ranks_and_parts_share_out_the_same_batches() -> None:
    whole = draw(numbered(18), batch_size=8)
    shares = [draw(numbered(18), rank, 2, batch_size=8, accumulate=2) for rank in range(2)]
    assert len(whole) == 2
    assert [len(share) for share in shares] == [4, 4]  # two parts of two batches, on every rank
    assert all(len(part) == 2 for share in shares for part in share)
    for step, batch in enumerate(whole):
        parts = [part for share in shares for part in share[2 * step : 2 * step + 2]]
        assert sorted(image for part in parts for image in part) == sorted(batch)


def test_an_epoch_goes_on_where_it_was() -> None:
    whole = draw(numbered(20), batch_size=4, accumulate=2)
    assert draw(numbered(20), first=3, batch_size=4, accumulate=2) == whole[6:]
    assert draw(numbered(20), first=5, batch_size=4) == []


def test_neither_workers_nor_ranks_change_what_is_made_of_an_image(dataset: Path) -> None:
    split = open_split(dataset, "train", 32)

    def images(workers: int, ranks: int) -> list[torch.Tensor]:
        config = make_config(Path("d"), batch_size=4, workers=workers)
        parts = [list(Batches(split, config, rank, ranks)(3)) for rank in range(ranks)]
        batches = [torch.cat([image for image, _ in step]) for step in zip(*parts)]
        return [batch.flatten(1).double().sort(0).values for batch in batches]

    for one, other in zip(images(1, 1), images(3, 2), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("changes", [{"batch_size": 3}, {"batch_size": 8, "accumulate": 3}])
def test_a_batch_that_cannot_be_shared_out_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InputError, match="--batch-size"):
        Batches(numbered(12), make_config(Path("d"), **changes), 0, 2)


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_validation_meets_every_image_once(ranks: int) -> None:
    split = numbered(7)
    rows = [
        row for r in range(ranks) for chunk, _, _ in in_order(split, 2, r, ranks) for row in chunk
    ]
    assert sorted(rows) == list(range(7))
    for chunk, images, masks in in_order(split, 3):
        assert images[:, 0, 0, 0].tolist() == list(chunk) and len(masks) == len(chunk)


def test_runs_that_start_together_decode_once(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = []
    write = cache.write_arrays

    def count(files: cache.CacheFiles, *rest: Any) -> list[int]:
        writes.append(files)
        return write(files, *rest)

    monkeypatch.setattr(cache, "write_arrays", count)
    # A lock of the kernel's: it holds between threads as it does between processes.
    with ThreadPoolExecutor(4) as pool:
        splits = list(pool.map(lambda _: cache.open_split(dataset, "train", 48), range(4)))
    assert writes == [cache.cache_files(dataset / "cache", "train", 48)]
    assert all(split.names == splits[0].names for split in splits)
    assert not list((dataset / "cache").glob(".*"))
