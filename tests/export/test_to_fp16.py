from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.to_fp16 import to_fp16
from export.verify import ParityError
from inference.command import InputError
from inference.session import Segmenter


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
        assert half.contract == single.contract
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
    with pytest.raises(ParityError, match=r"float16 changes the masks.*nothing written"):
        to_fp16(source, target)
    assert not target.exists()


def test_wrong_names_are_refused(model: Path, tmp_path: Path) -> None:
    for target in (model, tmp_path / "model.om"):
        with pytest.raises(InputError, match="must end in"):
            to_fp16(model, target)
