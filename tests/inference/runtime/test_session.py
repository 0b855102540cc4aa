from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from inference.errors import InputError
from inference.runtime.providers import Provider
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import ProviderError, installed_providers


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_cpu_is_onnxruntime(model: Path, images: np.ndarray) -> None:
    segmenter = Segmenter(model, threads=1, provider="cpu")
    assert segmenter.provider == "cpu"
    assert segmenter(images).shape == (3, 64, 64)


def test_a_name_that_is_no_utf_8(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    other = tmp_path / os.fsdecode(b"z\xe4.onnx")
    other.write_bytes(model.read_bytes())
    expected = Segmenter(model, threads=1, provider="cpu")(images)
    assert np.array_equal(Segmenter(other, threads=1, provider="cpu")(images), expected)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "cann"])
def test_a_provider_that_is_not_installed_is_an_error(model: Path, provider: Any) -> None:
    assert provider not in installed_providers()
    with pytest.raises(
        ProviderError, match=rf"--provider {provider}: is not installed; pip install"
    ):
        Segmenter(model, provider=provider)


def test_a_provider_that_falls_back_is_an_error(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A build of onnxruntime for CANN lists the provider with no CANN about; the session has the CPU.
    session = onnxruntime.InferenceSession

    def fall_back(path: Path, options: Any, providers: list[str]) -> Any:
        return session(path, options, providers=["CPUExecutionProvider"])

    listed = ["CANNExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fall_back)
    with pytest.raises(ProviderError, match="fell back to CPUExecutionProvider; pip install"):
        Segmenter(model, provider="cann")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert Segmenter(model, provider="auto").provider == "cpu"


def test_a_provider_that_fails_names_its_reason(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA failure 100: no device")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(ProviderError, match=r"cannot open it on cuda .*no device.*; pip install"):
        Segmenter(model, provider="cuda")


def test_unknown_providers_and_models_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--provider gpu: must be one of auto, cpu"):
        Segmenter(model, provider="gpu")  # type: ignore[arg-type]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    providers: tuple[Provider, ...] = ("cpu", "auto")
    for provider in providers:
        with pytest.raises(
            InputError, match=r"cannot open it on cpu .*; export it with `make export`"
        ):
            Segmenter(broken, provider=provider)
    with pytest.raises(InputError, match="--threads -1: must be at least 0"):
        Segmenter(model, threads=-1)


def test_without_openvino_auto_is_the_cpu(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert Segmenter(model, provider="auto").provider == "cpu"
    with pytest.raises(ProviderError, match="is not installed; pip install openvino"):
        Segmenter(model, provider="openvino")


class TestOpenVINO:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("openvino", reason="the extra openvino is not installed")

    def test_computes_what_onnxruntime_does(self, model: Path, images: np.ndarray) -> None:
        cpu, openvino = (Segmenter(model, 1, provider) for provider in ("cpu", "openvino"))
        assert openvino.contract == cpu.contract
        for count in (1, 3, 2):
            found = openvino(images[:count])
            assert found.dtype == np.float32 and found.shape == (count, 64, 64)
            assert np.abs(found - cpu(images[:count])).max() < 1e-5

    def test_auto_takes_it(self, model: Path) -> None:
        assert "openvino" in installed_providers()
        assert Segmenter(model).provider == "openvino"

    def test_auto_goes_on_to_the_cpu_with_what_it_cannot_compile(
        self, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import openvino

        def fail(*_: Any) -> None:
            raise RuntimeError("Check failed\nno such operator")

        monkeypatch.setattr(openvino.Core, "compile_model", fail)
        assert Segmenter(model).provider == "cpu"
        with pytest.raises(ProviderError, match=r"cannot open it \(no such operator\)"):
            Segmenter(model, provider="openvino")

    def test_results_are_kept_by_the_caller(self, model: Path, images: np.ndarray) -> None:
        segmenter = Segmenter(model, provider="openvino")
        first = segmenter(images[:1])
        kept = first.copy()
        segmenter(images[1:2])
        assert np.array_equal(first, kept)

    def test_threads_may_share_it(self, model: Path, images: np.ndarray) -> None:
        segmenter = Segmenter(model, provider="openvino")
        expected = [segmenter(images[i : i + 1]) for i in range(3)]
        found: dict[int, list[np.ndarray]] = {0: [], 1: [], 2: []}

        def work(number: int) -> None:
            found[number] += [segmenter(images[number : number + 1]) for _ in range(5)]

        workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for number, results in found.items():
            assert len(results) == 5
            assert all(np.array_equal(result, expected[number]) for result in results)

    def test_refuses_what_is_no_model_or_has_no_contract(self, model: Path, tmp_path: Path) -> None:
        broken, bare = tmp_path / "broken.onnx", tmp_path / "bare.onnx"
        broken.write_bytes(b"no model")
        with pytest.raises(ProviderError, match="OpenVINO cannot open it"):
            Segmenter(broken, provider="openvino")
        stripped = onnx.load(model)
        del stripped.metadata_props[:]
        onnx.save(stripped, bare)
        for provider in ("cpu", "openvino"):
            with pytest.raises(InputError, match="has no contract"):
                Segmenter(bare, provider=provider)
