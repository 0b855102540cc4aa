from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.doctor.selftest import DARKNESS, selftest
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter


def test_the_network_is_the_file_that_onnx_would_write() -> None:
    constants = {
        "w": np.full((1, 3, 1, 1), -0.04, np.float32),
        "b": np.full(1, 15, np.float32),
        "axes": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        helper.make_node("Sigmoid", ["y"], ["p"]),
        helper.make_node("Squeeze", ["p", "axes"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ("N", 64, 64, 3))],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ("N", 64, 64))],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    expected = helper.make_model(graph, opset_imports=opset, ir_version=8)
    expected.metadata_props.add(key="contract", value='{"size": 64}')
    assert onnx.load_from_string(DARKNESS) == expected


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_made_up_lesion_is_found(provider: str, capsys: pytest.CaptureFixture[str]) -> None:
    selftest(provider)  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert said.startswith("synthetic lesion found with dice 0.99") and said.count("\n") == 1


def test_a_model_is_described(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    selftest("cpu", model)
    said = capsys.readouterr().out
    megabytes = model.stat().st_size / 1e6
    assert f"on cpu; input 64 x 64, threshold 0.5, {megabytes:.1f} MB\n" in said


def test_a_provider_that_computes_wrongly_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(segmenter: Segmenter, images: np.ndarray) -> np.ndarray:
        return np.zeros(images.shape[:3], np.float32)

    monkeypatch.setattr(Segmenter, "__call__", compute)
    with pytest.raises(InputError, match=r"cpu gives wrong results: dice 0\.000"):
        selftest("cpu")
