from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export import int8_evaluation
from export.build import build_model
from export.graph import Deployable, rewrite
from export.int8_evaluation import Int8Evaluation, find_shared
from export.quantize import load_calibration
from export.to_fp16 import to_fp16
from export.to_int8 import MEASUREMENTS_KEY, to_int8
from export.to_om import to_om
from inference.benchmark import subjects as benchmark
from inference.benchmark.subjects import Subject
from inference.benchmark.table import BenchmarkRow
from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError
from inference.images.pixels import read_resized
from inference.images.write import write_image
from inference.models import SHIPPED_INT8
from inference.runtime.integrity import DIGEST_KEY
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import installed_providers
from training.networks.unet import UNet


@pytest.fixture(scope="module")
def exported(network: UNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    contract = Contract(size=64, threshold=0.4, confidence=(-3.0, -1.7, 0.2), check_below=0.8)
    onnx.save(build_model(Deployable(rewrite(network, "phases", 64)), contract), path)
    return path


@pytest.fixture(scope="module")
def quantized(exported: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That model in INT8, measured; whether it is faster is the machine's affair."""
    path = tmp_path_factory.mktemp("int8") / "model-int8.onnx"
    code = to_int8(exported, path, data / "train", data / "train_GT", calibration=8, rounds=2)
    assert code in (0, 3)
    return path


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_every_runtime_opens_it_and_agrees(exported: Path, quantized: Path, data: Path) -> None:
    images = load_calibration(sorted((data / "test").iterdir()), 6, 64)
    expected = Segmenter(exported, provider="cpu")(images)
    for provider in {"cpu", *installed_providers()}:
        segmenter = Segmenter(quantized, provider=provider)
        source = Segmenter(exported, provider="cpu").contract
        provenance = {**source.provenance, "precision": "int8"}
        assert segmenter.contract == dataclasses.replace(source, provenance=provenance)
        found = segmenter(images)
        # Random weights are harder on INT8 than trained ones; a wrong scale anywhere gives noise.
        assert np.abs(found - expected).mean() < 0.05
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.8


def test_convolutions_are_quantized_per_channel_but_for_the_last(quantized: Path) -> None:
    model = onnx.load(quantized)
    writers = {output: node for node in model.graph.node for output in node.output}
    constants = {entry.name: entry for entry in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    for conv in convs[:-1]:
        values, weights = (writers[name] for name in conv.input[:2])
        assert values.op_type == weights.op_type == "DequantizeLinear"
        assert constants[weights.input[0]].data_type == onnx.TensorProto.INT8
        outputs = constants[weights.input[0]].dims[0]
        assert list(constants[weights.input[1]].dims) == [outputs]
        assert constants[values.input[2]].data_type == onnx.TensorProto.UINT8
    assert convs[-1].input[1] in constants
    assert constants[convs[-1].input[1]].data_type == onnx.TensorProto.FLOAT
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version <= 8


def test_the_model_that_ships_and_those_written_hold_no_unused_tensor(quantized: Path) -> None:
    """onnxruntime and browsers would print a warning for each when they open the file."""
    for path in (SHIPPED_INT8, quantized):
        graph = onnx.load(path).graph
        read = {name for node in graph.node for name in node.input}
        assert {tensor.name for tensor in graph.initializer} <= read, path


def test_the_phases_of_an_upsampling_share_a_scale(quantized: Path) -> None:
    model = onnx.load(quantized)
    writers = {output: node for node in model.graph.node for output in node.output}
    checked = 0
    for node in model.graph.node:
        if node.op_type == "DepthToSpace":
            concat = writers[writers[writers[node.input[0]].input[0]].input[0]]
            assert concat.op_type == "Concat" and len(concat.input) == 4
            scales = {tuple(writers[name].input[1:]) for name in concat.input}
            assert scales == {tuple(writers[node.input[0]].input[1:])}
            checked += 1
    assert checked == 4


def test_measurements_are_inside(exported: Path, quantized: Path) -> None:
    entries = metadata(quantized)
    assert entries.keys() == {METADATA_KEY, MEASUREMENTS_KEY, DIGEST_KEY.decode()}
    measured = json.loads(entries[MEASUREMENTS_KEY])
    assert measured["calibration"] == 8
    rows = measured["rows"]
    assert {row["model"] for row in rows} == {"model.onnx", "model-int8.onnx"}
    assert {row["provider"] for row in rows} == set(installed_providers())
    for row in rows:
        assert row["fps"] > 0 and 0 <= row["dice"] <= 1 and not row["error"]
    sizes = {row["model"]: row["megabytes"] for row in rows}
    assert sizes["model-int8.onnx"] < sizes["model.onnx"]
    assert quantized.stat().st_size < exported.stat().st_size
    assert {path.name for path in quantized.parent.iterdir()} == {"model-int8.onnx"}


Rows = tuple[list[BenchmarkRow], list[BenchmarkRow]]


def rows(dice: tuple[float | None, float | None], fps: tuple[float, float]) -> Rows:
    before = [
        BenchmarkRow("m.onnx", "cpu", 1, fps=fps[0], dice=dice[0]),
        BenchmarkRow("m.onnx", "openvino", 1, fps=fps[0] / 2, dice=dice[0]),
    ]
    after = [
        BenchmarkRow("m.onnx", "cpu", 1, fps=fps[1] / 9, dice=dice[1]),
        BenchmarkRow("m.onnx", "openvino", 1, fps=fps[1], dice=dice[1]),
    ]
    return before, after


def test_slower_or_worse_is_not_recommended() -> None:
    assert not Int8Evaluation(*rows((0.9, 0.8951), (10, 11)), mask_iou=0.5).objections
    assert not Int8Evaluation(*rows((None, None), (10, 11)), mask_iou=0.99).objections
    (slow,) = Int8Evaluation(*rows((0.9, 0.9), (10, 9)), mask_iou=1).objections
    assert "0.90 of the float model's rate" in slow
    (worse,) = Int8Evaluation(*rows((0.9, 0.8949), (10, 11)), mask_iou=1).objections
    assert "loses 0.0051 of dice" in worse
    for iou in (0.98, float("nan")):
        (other,) = Int8Evaluation(*rows((None, None), (10, 11)), mask_iou=iou).objections
        assert "IoU" in other


def break_row(row: BenchmarkRow) -> None:
    row.fps, row.error = None, "no kernel"


def test_a_runtime_that_fails_is_an_objection_if_it_runs_the_float_model() -> None:
    before, after = rows((0.9, 0.9), (10, 11))
    break_row(after[0])
    assert find_shared(before, after) == ["openvino"]
    assert Int8Evaluation(before, after, 1).objections == ["fails on cpu (no kernel)"]
    break_row(before[0])  # as where a device is missing
    assert not Int8Evaluation(before, after, 1).objections
    break_row(after[1])
    assert not find_shared(before, after)
    told = ["fails on openvino (no kernel)", "no runtime here runs both models"]
    assert Int8Evaluation(before, after, None).objections == told


def test_a_poor_model_is_written_and_ends_with_3(
    exported: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(int8_evaluation, "MIN_IOU", 1.1)
    monkeypatch.setattr(int8_evaluation, "installed_providers", lambda: ["cpu"])
    target = tmp_path / "model-int8.onnx"
    assert to_int8(exported, target, data / "test", calibration=2, rounds=1) == 3
    assert "not recommended: " in capsys.readouterr().out
    assert json.loads(metadata(target)[MEASUREMENTS_KEY])["recommended"] is False


def test_masks_are_compared_in_a_runtime_that_opens_both(
    exported: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two files of one name; the INT8 one opens on the CPU alone, or nowhere."""
    target = tmp_path / exported.name
    closed = {"openvino"}

    def open_subjects(models: list[Path], providers: list[str], *rest: Any) -> Any:
        opened: list[Subject] = []
        failed = []
        for provider in providers:
            if models[0] != exported and provider in closed:
                failed.append(
                    BenchmarkRow(models[0].name, provider, 1, error=f"{models[0]}: no kernel")
                )
            else:
                # The CPU stands for OpenVINO too, which need not be installed.
                subjects, _ = benchmark.open_subjects(models, ["cpu"], *rest)
                opened += [dataclasses.replace(entry, provider=provider) for entry in subjects]
        return opened, failed

    monkeypatch.setattr(int8_evaluation, "installed_providers", lambda: ["openvino", "cpu"])
    monkeypatch.setattr(int8_evaluation, "open_subjects", open_subjects)
    assert to_int8(exported, target, data / "test", calibration=2, rounds=1) == 3
    measured = json.loads(metadata(target)[MEASUREMENTS_KEY])
    assert 0.5 < measured["mask_iou"] <= 1
    found = [(row["model"], row["provider"]) for row in measured["rows"]]
    pairs = [(exported, "openvino"), (exported, "cpu"), (target, "cpu"), (target, "openvino")]
    assert found == [(str(path), provider) for path, provider in pairs]
    assert f"fails on openvino ({target}: no kernel)" in capsys.readouterr().out
    closed.add("cpu")
    assert to_int8(exported, target, data / "test", calibration=2, rounds=1) == 3
    assert json.loads(metadata(target)[MEASUREMENTS_KEY])["mask_iou"] is None
    printed = capsys.readouterr().out
    assert "were not compared" in printed and "no runtime here runs both models" in printed


def test_int8_is_converted_to_nothing(quantized: Path, data: Path, tmp_path: Path) -> None:
    target, said = tmp_path / "again.onnx", "is INT8 already.* give the float32 file"
    with pytest.raises(InputError, match=said):
        to_int8(quantized, target, data / "test")
    with pytest.raises(InputError, match=said):
        to_fp16(quantized, target)
    with pytest.raises(InputError, match=said):
        to_om(quantized, tmp_path / "model.om", "Ascend310", dry_run=True)
    assert not list(tmp_path.iterdir())


def test_samples_come_through_the_decoder_of_use(data: Path) -> None:
    paths = sorted((data / "valid").iterdir())
    expected = [read_resized(path, 8).pixels for path in paths]
    assert np.array_equal(load_calibration(paths, 3, 8), expected)


def test_wrong_arguments_are_named(exported: Path, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    with pytest.raises(InputError, match=r"must end in \.onnx"):
        to_int8(exported, tmp_path / "int8.om", data / "test")
    with pytest.raises(InputError, match="--rounds 0"):
        to_int8(exported, target, data / "test", rounds=0)
    with pytest.raises(InputError, match="--calibration 0"):
        to_int8(exported, target, data / "test", calibration=0)
    with pytest.raises(InputError, match="no such model"):
        to_int8(tmp_path / "none.onnx", target, data / "test")
    with pytest.raises(InputError, match="missing"):
        to_int8(exported, target, data / "test", data / "train_GT", calibration=1, rounds=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lesion", [0, 1])
def test_true_masks_without_a_lesion_pass_no_gate(
    exported: Path, data: Path, tmp_path: Path, lesion: int
) -> None:
    images, masks, target = data / "test", tmp_path / "masks", tmp_path / "int8.onnx"
    for path in images.iterdir():
        write_image(masks / f"{path.stem}.png", np.full((96, 128), lesion, np.uint8))
    with pytest.raises(InputError, match="--mask-levels 01"):
        to_int8(exported, target, images, masks, calibration=2, rounds=1)
    with pytest.raises(InputError, match="--mask-levels 01"):
        to_int8(exported, target, images, masks, calibration=2, rounds=1, mask_levels="255")
    assert not target.exists()
