from __future__ import annotations

from inference.benchmark.table import BenchmarkRow, to_markdown


def test_markdown_leaves_empty_columns_out() -> None:
    table = to_markdown(
        [
            BenchmarkRow("a.onnx", "cpu", 1, fps=12.345),
            BenchmarkRow("b.onnx", "cpu", 8, error="why"),
        ]
    )
    assert table.splitlines() == [
        "| model  | provider | batch | images/s |",
        "| ------ | -------- | ----: | -------: |",
        "| a.onnx | cpu      |     1 |    12.35 |",
        "| b.onnx | cpu      |     8 |          |",
        "",
        "b.onnx on cpu: why",
    ]
