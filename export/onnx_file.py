"""Exported ONNX files: what INT8, float16 and OM are made from, and what is written into them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import TensorProto, helper

from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError, naming
from inference.files import require_text_name
from inference.runtime.integrity import DIGEST_KEY, stamp_digest, verify_digest


def read_onnx_file(path: Path, reason: str = "") -> tuple[onnx.ModelProto, Contract]:
    """Reads an exported float32 model that can be converted, and its contract.

    Args:
        reason: why a converted one cannot, to add to the error.

    Raises:
        InputError: no such file, not ONNX, damaged, without a contract, converted already, or arranged
            for float32 alone.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file; give one that `make export` wrote")
    verify_digest(path)
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors have no public base class
        raise InputError(f"{path}: not an ONNX file; give one that `make export` wrote") from error
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in entries:
        raise InputError(f"{path}: has no contract; export it with `make export`")
    with naming(path):
        contract = Contract.from_json(entries[METADATA_KEY])
    if precision := find_precision(model):
        raise InputError(f"{path}: is {precision} already{reason}; give the float32 file")
    if contract.provenance.get("graph") == "winograd":
        raise InputError(
            f"{path}: exported with --graph winograd, for float32 only; export it again without --graph"
        )
    return model, contract


def find_precision(model: onnx.ModelProto) -> Literal["INT8", "float16", ""]:
    """What a model was converted to; "" for float32."""
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return "INT8"
    types = {tensor.data_type for tensor in model.graph.initializer}
    return "float16" if TensorProto.FLOAT16 in types else ""


def require_target(target: Path, suffix: Literal[".onnx", ".om"] = ".onnx") -> None:
    """Raises InputError unless `target` can be a model file that every runtime opens."""
    if target.suffix != suffix:
        raise InputError(f"{target}: must end in {suffix}; rename it")
    if target.is_dir():
        raise InputError(f"{target}: is a folder; give the name of a file, or delete the folder")
    if target.parent.exists() and not target.parent.is_dir():
        raise InputError(f"{target}: {target.parent} is a file, not a folder; give another name")
    require_text_name(target)


def require_another_file(target: Path, source: Path) -> None:
    """Raises InputError unless `target` is a file to write other than `source`, however it is spelled."""
    require_target(target)
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: must not be the source; rename it")


def record_precision(
    model: onnx.ModelProto, contract: Contract, precision: Literal["int8", "float16"]
) -> None:
    """Gives a converted model its source's contract, with the precision in its provenance, in place."""
    converted = dataclasses.replace(
        contract, provenance={**contract.provenance, "precision": precision}
    )
    helper.set_model_props(model, {METADATA_KEY: converted.to_json()})


def replace_contract(path: Path, entries: dict[str, Any], target: Path) -> None:
    """Writes a model file with other entries in its contract; what it computes stays byte by byte."""
    model = onnx.load(path)
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    entry.value = dataclasses.replace(Contract.from_json(entry.value), **entries).to_json()
    save_model(model, target)


def drop_unused_tensors(model: onnx.ModelProto) -> None:
    """Removes the initializers that no node reads, in place; runtimes print a warning for each."""
    used = {name for node in model.graph.node for name in node.input}
    used |= {output.name for output in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def add_metadata(path: Path, key: str, value: str) -> None:
    """Adds an entry to the metadata of an ONNX file."""
    model = onnx.load(path)
    model.metadata_props.add(key=key, value=value)
    save_model(model, path)


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Writes an ONNX file that ends with a digest of its content, which inference checks."""
    kept = [entry for entry in model.metadata_props if entry.key != DIGEST_KEY.decode()]
    content = onnx.ModelProto()
    content.CopyFrom(model)
    del content.metadata_props[:]
    content.metadata_props.extend(kept)
    path.write_bytes(stamp_digest(content.SerializeToString()))
