"""Side by side and in order: the same masks for any threads and batches, in bounded memory."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.contract import Contract
from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.pixels import Source, read_resized
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter
from inference.runtime.stream import Failure, Stopwatch, explain, map_ahead, segment_files
from training.synthetic.lesion import make_lesion


def test_map_ahead_keeps_the_order_and_its_bound() -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        while drawn < 100:
            drawn += 1
            yield drawn

    with ThreadPoolExecutor(4) as pool:
        results = map_ahead(pool, lambda x: (time.sleep(0.001 * (x % 3)), x)[1], items(), ahead=5)
        for expected in range(1, 101):
            assert next(results) == expected
            assert drawn <= expected + 5


def test_map_ahead_stops_when_it_is_left() -> None:
    done: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, lambda x: (time.sleep(0.01), done.append(x))[1], range(50), 20)
        next(results)
        results.close()
    assert len(done) < 10


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Made-up photos of several sizes, two of them broken."""
    folder = tmp_path_factory.mktemp("photos")
    for number, (height, width) in enumerate([(90, 120), (300, 200), (700, 900), (64, 64)] * 4):
        image, _ = make_lesion(np.random.default_rng(number), height, width)
        cv2.imwrite(str(folder / f"{number:02}.jpg"), image[..., ::-1])
    (folder / "05.jpg").write_bytes(b"")
    (folder / "11.jpg").write_bytes((folder / "10.jpg").read_bytes()[:2000])
    return list_images(folder)


def test_the_same_probabilities_for_any_threads_and_batches(
    model: Path, photos: list[Path]
) -> None:
    segmenter = Segmenter(model, 2)

    def finish(lesion: Segmentation) -> tuple[str, bytes, int, int]:
        return str(lesion.source), lesion.probability.tobytes(), lesion.height, lesion.width

    def segment(batch_size: int, threads: int) -> list[Any]:
        return list(segment_files(segmenter, photos, finish, batch_size, threads))

    expected = segment(1, 1)
    assert [result[0] for result in expected] == [str(path) for path in photos]
    assert [isinstance(result, Failure) for result in expected] == [i in (5, 11) for i in range(16)]
    for result, path in zip(expected, photos):
        if not isinstance(result, Failure):
            assert result == finish(segmenter.segment(path))
    for batch_size, threads in ((1, 4), (3, 2), (8, 3), (64, 1)):
        assert segment(batch_size, threads) == expected


class Counted:
    """An image that counts how many of its kind were read, ahead of those that were finished."""

    lead = most = finished = 0
    lock = threading.Lock()

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_bytes(self) -> bytes:
        with self.lock:
            Counted.lead += 1
            Counted.most = max(Counted.most, Counted.lead - Counted.finished)
        return self.data


def test_no_more_images_are_under_way_than_stated() -> None:
    class Slow:
        contract = Contract(size=16)
        digests = ()

        def __call__(self, images: np.ndarray) -> np.ndarray:
            time.sleep(0.002)
            return np.zeros(images.shape[:3], np.float32)

    data = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    sources: Iterator[Source] = (Counted(data) for _ in range(300))
    batch_size, threads = 4, 2
    slow: Any = Slow()
    for _ in segment_files(slow, sources, lambda lesion: None, batch_size, threads):
        Counted.finished += 1
    assert Counted.finished == 300
    assert Counted.most <= 2 * (2 * batch_size) + batch_size + 2 * threads


def test_stages_are_timed(model: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, watch, ticks = Segmenter(model), Stopwatch(), itertools.count()
    monkeypatch.setattr("inference.runtime.stream.time.perf_counter", lambda: next(ticks))
    list(segment_files(segmenter, photos, lambda lesion: None, batch_size=4, watch=watch))
    assert set(watch.seconds) == {"decode", "infer", "write"}
    broken = 2
    assert watch.seconds["decode"] >= len(photos) and watch.seconds["infer"] >= len(photos) / 4
    assert watch.seconds["write"] >= len(photos) - broken


def test_a_batch_that_fails_is_computed_one_by_one(photos: list[Path]) -> None:
    marked = photos[2]

    class Picky:
        """A runtime that fails on one image, whatever else is in the batch."""

        contract = Contract(size=16)
        digests = ()

        def __call__(self, images: np.ndarray) -> np.ndarray:
            if any((image == poison).all() for image in images):
                raise RuntimeError("runtime.cc:12\nno kernel\n")
            return images[..., 0] / np.float32(255)

    poison = read_resized(marked, 16).pixels
    picky: Any = Picky()
    found = list(segment_files(picky, photos, lambda lesion: lesion, batch_size=4))
    failed = [each for each in found if isinstance(each, Failure)]
    assert [Path(each.image).name for each in failed] == ["02.jpg", "05.jpg", "11.jpg"]
    assert failed[0].error == (
        f"{marked}: failed with RuntimeError (no kernel); convert it to PNG, or leave it out"
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Failed to allocate memory for requested buffer"),
        cv2.error("alloc.cpp:73: Insufficient memory"),
    ],
)
def test_an_image_that_needs_too_much_memory_is_named(error: Exception) -> None:
    assert explain(error, "a.png") == "a.png: does not fit into memory; make it smaller"


@pytest.mark.parametrize(("count", "shapes"), [(3, {2}), (13, {4}), (4, {4})])
def test_the_model_sees_one_batch_size(count: int, shapes: set[int], tmp_path: Path) -> None:
    seen = set()

    class Grey:
        contract = Contract(size=16)
        digests = ()

        def __call__(self, images: np.ndarray) -> np.ndarray:
            seen.add(len(images))
            return images[..., 0] / np.float32(255)

    for number in range(count):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), np.full((16, 16), number, np.uint8))
    (tmp_path / "01.png").write_bytes(b"broken")
    grey: Any = Grey()
    found = list(segment_files(grey, list_images(tmp_path), lambda lesion: lesion, batch_size=4))
    assert seen == shapes
    assert [isinstance(each, Failure) for each in found] == [i == 1 for i in range(count)]
    assert all(
        (each.probability == np.float32(i) / 255).all() for i, each in enumerate(found) if i != 1
    )


def test_an_image_that_cannot_be_written_stops_no_other(model: Path, photos: list[Path]) -> None:
    errors = {
        photos[0]: OSError("disk full"),
        photos[1]: MemoryError(),
        photos[2]: InputError("odd"),
    }

    def finish(lesion: Segmentation) -> str:
        if error := errors.get(Path(str(lesion.source))):
            raise error
        return "written"

    found = list(segment_files(Segmenter(model), photos[:4], finish))
    assert found == [
        Failure(str(photos[0]), "disk full"),
        Failure(str(photos[1]), f"{photos[1]}: does not fit into memory; make it smaller"),
        Failure(str(photos[2]), "odd"),
        "written",
    ]
