"""Exported ONNX files as what other formats are made from: INT8, float16, OM."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto, helper

from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError


def read_onnx_file(path: Path) -> tuple[onnx.ModelProto, Contract]:
    """Reads an exported ONNX file that other formats can be made from, and its contract.

    Raises:
        InputError: no such file, not ONNX, without a contract, of less than float32, or arranged for
            float32 alone.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file; give one that `make export` wrote")
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors have no public base class
        raise InputError(
            f"{path}: is not an ONNX file; give one that `make export` wrote"
        ) from error
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in entries:
        raise InputError(f"{path}: carries no contract; export it with `make export`")
    contract = Contract.from_json(entries[METADATA_KEY])
    if precision := find_precision(model):
        raise InputError(f"{path}: is {precision} already; give the float32 file")
    if contract.provenance.get("graph") == "winograd":
        raise InputError(
            f"{path}: is arranged for float32 (--graph winograd); export it again without --graph"
        )
    return model, contract


def find_precision(model: onnx.ModelProto) -> str:
    """What a model was converted to; nothing for float32."""
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return "INT8"
    kinds = {entry.data_type for entry in model.graph.initializer}
    return "float16" if TensorProto.FLOAT16 in kinds else ""


def require_another_file(target: Path, source: Path) -> None:
    """Raises InputError unless `target` is an ONNX file other than `source`, however it is spelled."""
    if target.suffix != ".onnx" or (target.exists() and target.samefile(source)):
        raise InputError(f"{target}: must end in .onnx and not be the source; change the name")


def record_precision(
    model: onnx.ModelProto, contract: Contract, precision: Literal["int8", "float16"]
) -> None:
    """Gives a converted model its source's contract, with the precision in the provenance, in place."""
    converted = dataclasses.replace(
        contract, provenance={**contract.provenance, "precision": precision}
    )
    helper.set_model_props(model, {METADATA_KEY: converted.to_json()})
