from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.benchmark import benchmark as benchmark_torch
from inference.benchmark import timing
from inference.benchmark.__main__ import benchmark, time_stages, to_markdown
from inference.benchmark.comparison import Row, Subject, compare, load_batch
from inference.contract import Contract
from inference.errors import InputError
from inference.evaluate import evaluate
from inference.images.pixels import read_image, read_resized, resize
from training import checkpoint
from training.networks.unet import UNet


def test_runs_are_interleaved_and_the_warm_up_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    order: list[str] = []

    def fail() -> None:
        order.append("c")
        if order.count("c") > 1:
            raise ValueError("worn out")

    computations = {"a": lambda: order.append("a"), "c": fail, "b": lambda: order.append("b")}
    results = timing.measure(computations, rounds=3)
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


def redness(images: np.ndarray) -> np.ndarray:
    return images[..., 0] / np.float32(255)


def test_rows_are_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(images: np.ndarray) -> np.ndarray:
        raise RuntimeError("no\nkernel")

    seconds = {0: [0.5, 0.2, 0.1], 1: [0.1] * 9 + [9.0], 2: RuntimeError("no\nkernel"), -1: [0.01]}
    monkeypatch.setattr(
        "inference.benchmark.comparison.measure", lambda computations, rounds: dict(seconds)
    )
    monkeypatch.setattr(
        "inference.benchmark.comparison.matrix_product", lambda threads: (None, 5.0)
    )
    subjects = [
        Subject("a", "x", 1, redness, 8, 1.0, gflop=100),
        Subject("b", "x", 4, lambda images: redness(images) + 0.25, 8, 1.0),
        Subject("c", "x", 1, broken, 8, 1.0),
    ]
    (first, second, third), peak = compare(subjects, [], rounds=3, threads=1)
    assert peak == pytest.approx(500)
    assert (first.fps, first.ratio, first.difference) == (5, 1, 0)
    assert first.peak == pytest.approx(1.0)  # 5 images of 100 GFLOP a second
    assert second.fps == pytest.approx(40) and second.ratio == pytest.approx(8)
    assert second.difference == pytest.approx(0.25) and second.peak is None
    assert second.p90_ms == pytest.approx(1000 * np.percentile(seconds[1], 90))
    assert third.error == "no kernel" and third.fps is None


def test_images_are_the_folders_and_repeat(data: Path) -> None:
    paths = sorted((data / "valid").iterdir())
    batch = load_batch(paths, 8, 5)
    expected = [read_resized(paths[number % 3], 8).pixels for number in range(5)]
    assert np.array_equal(batch, expected)
    # At this size the two ways to decode differ, or neither test would tell them apart.
    assert not np.array_equal(batch[0], resize(read_image(paths[0]), 8))


def test_stages_are_those_of_segment(data: Path) -> None:
    seen = []

    class Noting:
        contract = Contract(size=8)

        def __call__(self, images: np.ndarray) -> np.ndarray:
            seen.append(images)
            return redness(images)

    paths = sorted((data / "valid").iterdir())
    stages = time_stages(Noting(), paths)  # type: ignore[arg-type]
    assert set(stages) == {"decode", "infer", "write"} and min(stages.values()) > 0
    expected = [read_resized(path, 8).pixels for path in paths]
    assert np.array_equal(np.concatenate(seen), expected)


def test_the_table_of_a_model(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {"json_file": tmp_path / "b.json", "csv_file": tmp_path / "b.csv"}
    folders = {"images": data / "test", "masks": data / "test_GT"}
    code = benchmark(
        (model,), ("cpu", "tensorrt"), (1, 3), rounds=2, threads=1, **folders, **outputs
    )
    assert code == 1  # tensorrt is not there; the other rows are
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(lines) == 5 and "memory MB" in lines[0]
    assert "tensorrt: is not installed" in printed and "decode: " in printed
    entries = json.loads(outputs["json_file"].read_text())
    assert set(entries["stages"]) == {"decode", "infer", "write"} and entries["gemm_gflops"] > 0
    one, three, failed = entries["rows"]
    assert (one["batch"], three["batch"], one["provider"]) == (1, 3, "cpu")
    assert one["ratio"] == 1 and one["difference"] == 0 and three["difference"] < 1e-6
    assert one["fps"] > 0 and one["p90_ms"] > 0 and one["megabytes"] == model.stat().st_size / 1e6
    assert one["memory_mb"] is None or 20 < one["memory_mb"] < 2000
    assert failed["error"] and failed["fps"] is None
    scores = tmp_path / "scores.json"
    evaluate(data / "test", data / "test_GT", model=model, provider="cpu", json_file=scores)
    expected = json.loads(scores.read_text())
    for row in (one, three):
        assert (row["dice"], row["jaccard"]) == (expected["dice"], expected["jaccard"])
    with outputs["csv_file"].open() as file:
        written = list(csv.DictReader(file))
    assert [row["provider"] for row in written] == ["cpu", "cpu", "tensorrt"]
    assert float(written[0]["fps"]) == one["fps"]


def test_torch_stands_in_the_first_rows(network: UNet, model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "best.pt", tmp_path / "b.json"
    entries = {"config": {"arch": "attunet", "width": 4}, "contract": Contract(size=64).to_json()}
    checkpoint.save(source, {**entries, "weights": network.state_dict()})
    assert benchmark_torch(source, (model,), ("cpu",), rounds=1, json_file=target) == 0
    rows = json.loads(target.read_text())["rows"]
    providers = [row["provider"] for row in rows]
    assert providers == ["torch eager", "torch channels_last", "cpu"]
    assert all(row["difference"] < 1e-5 for row in rows)
    assert rows[0]["peak"] > 0


def test_markdown_leaves_empty_columns_out() -> None:
    table = to_markdown([Row("a.onnx", "cpu", 1, fps=12.345), Row("b.onnx", "cpu", 8, error="why")])
    assert table.splitlines() == [
        "| model  | provider | batch | images/s |",
        "| ------ | -------- | ----: | -------: |",
        "| a.onnx | cpu      |     1 |    12.35 |",
        "| b.onnx | cpu      |     8 |          |",
        "",
        "b.onnx on cpu: why",
    ]


def test_what_the_ratios_refer_to_is_said(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    assert benchmark((broken, model), ("cpu",), (2,), rounds=1, threads=1) == 1
    printed = capsys.readouterr().out
    assert "compared with: model.onnx on cpu, batch 2" in printed
    assert benchmark((broken,), ("cpu",), rounds=1, threads=1) == 1
    assert "compared with" not in capsys.readouterr().out


def test_names_are_checked_before_anything_is_measured(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.benchmark.__main__.compare", lambda *_: pytest.fail("measured"))
    with pytest.raises(InputError, match="images and masks must match"):
        benchmark((model,), ("cpu",), images=data / "test", masks=data / "valid_GT")


@pytest.mark.parametrize(("counts", "said"), [((0, 1), "--rounds 0"), ((1, -1), "--threads -1")])
def test_nothing_is_measured_no_times_or_on_fewer_than_no_cores(
    model: Path, tmp_path: Path, counts: tuple[int, int], said: str
) -> None:
    rounds, threads = counts
    with pytest.raises(InputError, match=f"{said}: at least"):
        benchmark((model,), ("cpu",), rounds=rounds, threads=threads)
    with pytest.raises(InputError, match=f"{said}: at least"):
        benchmark_torch(tmp_path / "none.pt", (model,), rounds=rounds, threads=threads)


def test_wrong_arguments_are_named(model: Path) -> None:
    with pytest.raises(InputError, match="--masks: needs --images"):
        benchmark((model,), ("cpu",), masks=model.parent)
    with pytest.raises(InputError, match="--batch from 1"):
        benchmark((model,), ("cpu",), batch=(0,))
