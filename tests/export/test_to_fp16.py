import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.to_fp16 import to_fp16
from export.to_int8 import to_int8
from export.to_om import to_om
from export.verify import ParityError
from inference.contract import METADATA_KEY
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter


def test_the_inside_is_float16_and_the_outside_stays(
    model: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    target = tmp_path / "fp16.onnx"
    to_fp16(model, target)
    written = onnx.load(target)
    kinds = {entry.data_type for entry in written.graph.initializer if entry.dims}
    assert onnx.TensorProto.FLOAT16 in kinds and onnx.TensorProto.FLOAT not in kinds
    assert target.stat().st_size < 0.6 * model.stat().st_size
    assert written.opset_import[0].version == 17 and written.ir_version <= 8
    images = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    for provider in ("cpu", "auto"):
        single, half = (Segmenter(path, provider=provider) for path in (model, target))
        provenance = {**single.contract.provenance, "precision": "float16"}
        assert half.contract == dataclasses.replace(single.contract, provenance=provenance)
        found = half(images)
        assert found.dtype == np.float32
        assert 0 < np.abs(found - single(images)).max() < 0.05


def test_an_overflow_is_caught(model: Path, tmp_path: Path) -> None:
    # Activations of 1e6 and weights of 1e-6 behind them: fine in float32, infinite in float16.
    large = onnx.load(model)
    convs = [node for node in large.graph.node if node.op_type == "Conv"]
    for name in convs[0].input[1:3]:
        entry = next(entry for entry in large.graph.initializer if entry.name == name)
        entry.CopyFrom(numpy_helper.from_array(1e6 * numpy_helper.to_array(entry), name))
    source, target = tmp_path / "large.onnx", tmp_path / "fp16.onnx"
    onnx.save(large, source)
    with pytest.raises(ParityError, match=r"float16 changes the masks.*nothing was written"):
        to_fp16(source, target)
    assert not target.exists()


def test_wrong_names_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must end in"):
        to_fp16(model, tmp_path / "model.om")


@pytest.mark.parametrize("convert", [to_fp16, to_int8])
def test_names_that_are_no_utf_8_are_refused(
    convert: Callable[..., object], model: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has a name that is not UTF-8; rename it"):
        convert(model, tmp_path / os.fsdecode(b"z\xe4.onnx"), images=data / "valid")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("convert", [to_fp16, to_int8])
def test_the_source_is_never_overwritten(
    convert: Callable[..., object], model: Path, data: Path, tmp_path: Path
) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(model.read_bytes())
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "link.onnx").symlink_to(source)
    (tmp_path / "hard.onnx").hardlink_to(source)
    for spelling in ("model.onnx", "a/../model.onnx", "b/model.onnx", "link.onnx", "hard.onnx"):
        with pytest.raises(InputError, match="not be the source"):
            convert(source, tmp_path / spelling, images=data / "valid")
    with pytest.raises(InputError, match="not be the source"):
        convert(source, Path(os.path.relpath(source)), images=data / "valid")
    assert source.read_bytes() == model.read_bytes()


def test_a_wrong_contract_names_its_file(model: Path, tmp_path: Path) -> None:
    wrong = onnx.load(model)
    helper.set_model_props(wrong, {METADATA_KEY: '{"size": 0}'})
    onnx.save(wrong, tmp_path / "wrong.onnx")
    with pytest.raises(InputError, match=r"wrong\.onnx: contract with size 0: must be above 0"):
        to_fp16(tmp_path / "wrong.onnx", tmp_path / "fp16.onnx")


def test_float16_is_converted_to_nothing(model: Path, data: Path, tmp_path: Path) -> None:
    half, target = tmp_path / "fp16.onnx", tmp_path / "again.onnx"
    to_fp16(model, half)
    said = "is float16 already.* give the float32 file"
    with pytest.raises(InputError, match=said):
        to_fp16(half, target)
    with pytest.raises(InputError, match=said):
        to_int8(half, target, data / "valid")
    with pytest.raises(InputError, match=said):
        to_om(half, tmp_path / "model.om", "Ascend310", dry_run=True)
    assert list(tmp_path.iterdir()) == [half]
