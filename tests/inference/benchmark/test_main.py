from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from inference.benchmark.__main__ import benchmark
from inference.errors import InputError
from inference.evaluate import evaluate


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
    monkeypatch.setattr(
        "inference.benchmark.report.compare_subjects", lambda *_: pytest.fail("measured")
    )
    with pytest.raises(InputError, match="images and masks must match"):
        benchmark((model,), ("cpu",), images=data / "test", masks=data / "valid_GT")


@pytest.mark.parametrize(("counts", "said"), [((0, 1), "--rounds 0"), ((1, -1), "--threads -1")])
def test_nothing_is_measured_no_times_or_on_fewer_than_no_cores(
    model: Path, counts: tuple[int, int], said: str
) -> None:
    rounds, threads = counts
    with pytest.raises(InputError, match=f"{said}: "):
        benchmark((model,), ("cpu",), rounds=rounds, threads=threads)


def test_wrong_arguments_are_named(model: Path) -> None:
    with pytest.raises(InputError, match="--masks: needs --images"):
        benchmark((model,), ("cpu",), masks=model.parent)
    with pytest.raises(InputError, match="--batch of 1 or more"):
        benchmark((model,), ("cpu",), batch=(0,))
