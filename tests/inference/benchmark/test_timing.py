from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from inference.benchmark import timing


def test_runs_are_interleaved_and_the_warm_up_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    order: list[str] = []

    def fail() -> None:
        order.append("c")
        if order.count("c") > 1:
            raise ValueError("worn out")

    computations = {"a": lambda: order.append("a"), "c": fail, "b": lambda: order.append("b")}
    results = timing.time_interleaved(computations, rounds=3)
    assert "".join(order) == "acb" + "acb" + "ab" * 3
    assert results["a"] == results["b"] == [1, 1, 1]
    assert isinstance(results["c"], ValueError)


def test_the_matrix_product_is_the_file_that_onnx_would_write() -> None:
    matrices = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in "abc"
    ]
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "", matrices[:2], matrices[2:])
    opset = [helper.make_opsetid("", 17)]
    expected = helper.make_model(graph, opset_imports=opset, ir_version=8)
    assert onnx.load_from_string(timing.PRODUCT) == expected
    product, gflop = timing.matrix_product(threads=1)
    (result,) = product()  # type: ignore[misc]
    assert result.shape == (timing.SIDE, timing.SIDE)
    assert gflop == pytest.approx(2 * timing.SIDE**3 / 1e9)
