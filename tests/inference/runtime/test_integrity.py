"""A damaged model is refused, and what is no probability never becomes a mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.onnx_file import add_metadata, save_model
from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError
from inference.models import SHIPPED
from inference.runtime.integrity import check_output, split_digest, stamp_digest, verify_digest
from inference.runtime.segmenter import Segmenter


@pytest.fixture
def stamped(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "stamped.onnx"
    save_model(onnx.load(model), path)
    return path


def test_the_digest_changes_nothing_else(
    model: Path, stamped: Path, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    onnx.checker.check_model(onnx.load(stamped))
    for provider in ("cpu", "auto"):
        before, after = (Segmenter(path, provider=provider) for path in (model, stamped))
        assert np.array_equal(before(images), after(images))
    content = stamped.read_bytes()
    assert stamp_digest(content) == content
    assert Segmenter(stamped).fingerprint()["models"] == [verify_digest(stamped)]


def test_every_flipped_byte_of_the_content_is_seen(stamped: Path, rng: np.random.Generator) -> None:
    whole = stamped.read_bytes()
    weights, digest = split_digest(whole)
    assert len(digest) == 64
    for place in rng.integers(0, len(weights), 20):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        stamped.write_bytes(flipped)
        for provider in ("cpu", "auto"):
            with pytest.raises(InputError, match="damaged, or changed since it was exported"):
                Segmenter(stamped, provider=provider)
    stamped.write_bytes(weights)  # as earlier releases wrote it
    Segmenter(stamped)


def test_a_later_entry_gets_a_digest_of_its_own(stamped: Path) -> None:
    add_metadata(stamped, "note", "later")
    Segmenter(stamped)
    entries = [entry.key for entry in onnx.load(stamped).metadata_props]
    assert sorted(entries) == ["contract", "note", "sha256"]


def test_the_models_that_ship_have_one() -> None:
    for path in (SHIPPED, SHIPPED.with_name(f"{SHIPPED.stem}-int8.onnx")):
        assert split_digest(path.read_bytes())[1] == verify_digest(path)


def change(model: Path, path: Path, **changes: Any) -> None:
    """Saves a model with another contract, or other names."""
    proto = onnx.load(model)
    entry = next(entry for entry in proto.metadata_props if entry.key == METADATA_KEY)
    entry.value = json.dumps({**json.loads(entry.value), **changes})
    onnx.save(proto, path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": 96}, "its contract says 96 x 96 x 3, but its graph takes 64 x 64 x 3"),
        ({"size": 10**9}, "contract with size 1000000000"),
        ({"std": [1e-300] * 3}, "contract with std"),
        ({"mean": [1e300] * 3}, "contract with mean"),
        ({"mean": [10**400] * 3}, "contract with mean"),
    ],
)
@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_contract_that_lies(
    changes: dict[str, Any], said: str, provider: Any, model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.onnx"
    change(model, path, **changes)
    with pytest.raises(InputError, match=rf"odd\.onnx: {said}"):
        Segmenter(path, provider=provider)


def test_another_signature_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    shape = ["N", 8, 8, 3]
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, {METADATA_KEY: Contract(size=8).to_json()})
    onnx.save(proto, path)
    for provider in ("cpu", "auto"):
        with pytest.raises(InputError, match="its input is x and its output y, not image"):
            Segmenter(path, provider=provider)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1, 1.1])
def test_an_answer_that_is_no_probability(value: float) -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    answer = np.full((2, 8, 8), 0.5, np.float32)
    compute = check_output(Path("a.onnx"), lambda _: answer)
    assert compute(images) is answer
    answer[1, 2, 3] = value
    with pytest.raises(
        InputError, match=r"a\.onnx: returns values from .*not probabilities from 0 to 1"
    ):
        compute(images)


def test_an_answer_of_another_shape() -> None:
    compute = check_output(Path("a.onnx"), lambda images: images[..., 0] / np.float32(255))
    assert compute(np.zeros((2, 8, 8, 3), np.uint8)).shape == (2, 8, 8)
    compute = check_output(Path("a.onnx"), lambda images: np.zeros((1, 8, 8), np.float32))
    with pytest.raises(InputError, match="export it again"):
        compute(np.zeros((2, 8, 8, 3), np.uint8))
