from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.contract import Contract
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import ProviderError
from inference.segment import segment
from tests.inference.runtime.acl_device import SIZE, Device, redness


@pytest.fixture(params=[(4,), (1, 2, 4)], ids=["static", "dynamic"])
def om(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An .om that stands for the red channel as probability, with its sidecar."""
    path = tmp_path / "model.om"
    path.write_bytes(b"om")
    entries = {"contract": dataclasses.asdict(Contract(size=SIZE)), "batches": request.param}
    path.with_suffix(".json").write_text(json.dumps(entries))
    return path


class InferSession:
    """A stand-in of ais_bench's."""

    calls: list[tuple[int, str]]

    def __init__(self, device: int, path: str) -> None:
        assert device == 0 and Path(path).read_bytes() == b"om"
        InferSession.calls = []

    def infer(self, feeds: list[np.ndarray], mode: str) -> list[np.ndarray]:
        (images,) = feeds
        self.calls.append((len(images), mode))
        return [redness(images)]


@pytest.fixture
def ais_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ais_bench", "ais_bench.infer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    interface = ModuleType("ais_bench.infer.interface")
    interface.InferSession = InferSession  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ais_bench.infer.interface", interface)


@pytest.fixture
def acl(om: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device(dynamic="1" in om.with_suffix(".json").read_text().split("batches")[1])
    monkeypatch.setitem(sys.modules, "ais_bench", None)
    monkeypatch.setitem(sys.modules, "acl", device)  # type: ignore[arg-type]
    return device


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_ais_bench_segments_any_number(
    om: Path, ais_bench: None, count: int, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    segmenter = Segmenter(om)
    assert segmenter.provider == "cann" and segmenter.contract == Contract(size=SIZE)
    found = segmenter(images)
    assert found.dtype == np.float32 and np.array_equal(found, redness(images))
    dynamic = len(json.loads(om.with_suffix(".json").read_text())["batches"]) > 1
    assert {mode for _, mode in InferSession.calls} == {"dymbatch" if dynamic else "static"}
    sizes = [size for size, _ in InferSession.calls]
    expected = {1: [1], 3: [4], 4: [4], 9: [4, 4, 1]}[count] if dynamic else [4] * -(-count // 4)
    assert sizes == expected


@pytest.mark.parametrize("count", [1, 3, 9])
def test_acl_segments_any_number(
    om: Path, acl: Device, count: int, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    segmenter = Segmenter(om, provider="cann")
    assert np.array_equal(segmenter(images), redness(images))
    first = segmenter(images[:1])
    segmenter(255 - images[:1])
    assert np.array_equal(first, redness(images[:1]))
    assert acl.dynamic or set(acl.ran) == {4}


def test_a_process_opens_several_models(om: Path, acl: Device, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    for segmenter in (Segmenter(om), Segmenter(om)):
        assert np.array_equal(segmenter(images), redness(images))


def test_threads_that_share_a_model_get_their_own_results(
    om: Path, acl: Device, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (8, 1, SIZE, SIZE, 3), dtype=np.uint8)
    segmenter = Segmenter(om)
    acl.slow = 0.01
    with ThreadPoolExecutor(len(images)) as pool:
        for found, image in zip(pool.map(segmenter, images), images, strict=True):
            assert np.array_equal(found, redness(image))


@pytest.mark.parametrize("call", ["init", "set_device", "load_from_file", "malloc", "execute"])
def test_errors_of_acl_are_named(om: Path, acl: Device, call: str) -> None:
    acl.failing = call
    with pytest.raises(InputError, match=rf"{call}: failed with Ascend error 107001"):
        Segmenter(om)(np.zeros((1, SIZE, SIZE, 3), np.uint8))


def test_what_an_om_needs_is_said(om: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ais_bench", "acl"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="needs ais_bench or acl"):
        Segmenter(om)
    with pytest.raises(ProviderError, match="runs only on Ascend, not on cpu"):
        Segmenter(om, provider="cpu")
    sidecar = om.with_suffix(".json")
    odd = [f'{{"contract": {{"size": 16}}, "batches": {n}}}' for n in ("[]", "[0]", "1", '["1"]')]
    for text in ("{}", "[]", "no json", '{"contract": {"size": 0}, "batches": [1]}', *odd):
        sidecar.write_text(text)
        with pytest.raises(InputError, match=r"model\.json: (not a sidecar|contract with size 0)"):
            Segmenter(om)
    sidecar.unlink()
    with pytest.raises(InputError, match=r"model\.json: is missing"):
        Segmenter(om)


def test_the_commands_open_an_om(om: Path, ais_bench: None, data: Path, tmp_path: Path) -> None:
    assert segment([str(data / "test")], SegmentOptions(om, tmp_path / "masks")) == 0
    assert len(list((tmp_path / "masks").glob("*_segmentation.png"))) == 6


def test_a_sidecar_that_lies(om: Path, acl: Device) -> None:
    sidecar = om.with_suffix(".json")
    entries = json.loads(sidecar.read_text())
    for changes in ({"contract": {"size": 4 * SIZE}}, {"batches": [64]}):
        sidecar.write_text(json.dumps({**entries, **changes}))
        segmenter = Segmenter(om)
        size = segmenter.contract.size
        with pytest.raises(InputError, match="its sidecar belongs to another model"):
            segmenter(np.zeros((1, size, size, 3), np.uint8))
    digest = hashlib.sha256(b"om").hexdigest()
    sidecar.write_text(json.dumps({**entries, "om_sha256": digest}))
    Segmenter(om)
    om.write_bytes(b"on")
    with pytest.raises(InputError, match=r"model\.om: damaged, or not the file that model\.json"):
        Segmenter(om)
