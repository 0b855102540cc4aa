"""Converts an exported model to an Ascend OM that takes the same bytes.

python -m export.to_om model.onnx model.om --soc-version Ascend310P3
python -m export.to_om model.onnx model.om --soc-version auto --batches 1 4 8 16
python -m export.to_om model.onnx model.om --soc-version Ascend310P3 --python ~/atc/bin/python3
python -m export.to_om model.onnx model.om --soc-version Ascend910B3 --dry-run
"""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from pathlib import Path
from typing import Annotated

import onnx
from tyro.conf import Positional, arg

from export.aipp import aipp_config, cut_normalisation
from export.atc import AtcOptions, Precision, atc_arguments, find_atc, find_soc_version, run_atc
from export.onnx_file import read_onnx_file, require_target
from inference.cli import run, say, warn
from inference.files import replacing, write_bytes, write_json

FLOAT_ONLY = (
    ", and ATC reads only float32: it makes float16 itself, and INT8 comes from AMCT, which needs "
    "float32 weights followed by QuantizeLinear, while this file has INT8 weights"
)


def to_om(
    source: Annotated[Path, Positional, arg(name="onnx", metavar="ONNX")],
    target: Annotated[Path, Positional, arg(name="om", metavar="OM")],
    soc_version: Annotated[str, arg(metavar="CHIP")],
    batches: Annotated[tuple[int, ...], arg(metavar="N [N ...]")] = (1,),
    precision: Precision = "fp16",
    python: Annotated[Path | None, arg(metavar="PYTHON")] = None,
    dry_run: bool = False,
) -> None:
    """Convert an exported model to an Ascend OM with ATC; the normalisation moves into AIPP.

    Next to MODEL.om it writes MODEL.json (the contract and how the OM was made; inference reads it),
    MODEL.log (ATC's output), and ATC's inputs, MODEL.aipp.cfg and MODEL.atc.onnx.

    Args:
        source: Float32 ONNX file that export.to_onnx wrote.
        target: OM file to write.
        soc_version: Chip, as ATC spells it (Ascend310, Ascend310P3, Ascend910B3, ...); auto asks npu-smi.
        batches: Batch sizes of the OM; several make its batch size dynamic.
        precision: fp16; mixed_float16 keeps some operators in float32; origin keeps all as in the file,
            which the convolutions of some chips do not support.
        python: Interpreter for CANN's compiler, as in ~/atc/bin/python3; default: the first python3 on
            the PATH. Before 9.0, CANN needs NumPy below 2 there, which this project cannot run with.
        dry_run: Print ATC's command and write nothing; needs no CANN.
    """
    require_target(target, ".om")
    model, contract = read_onnx_file(source, FLOAT_ONLY)
    soc_version = find_soc_version() if soc_version == "auto" else soc_version
    options = AtcOptions(soc_version, batches, precision)
    network, aipp = target.with_suffix(".atc.onnx"), target.with_suffix(".aipp.cfg")
    command = shlex.join(atc_arguments(contract, options, network, aipp, target))
    cut = cut_normalisation(model, contract.size)
    if doubt := options.doubt():
        warn(f"warning: {doubt}")
    if dry_run:
        say(command)
        return
    environment = find_atc(python)
    with replacing(network) as temporary:
        onnx.save(cut, temporary)
    write_bytes(aipp, aipp_config(contract).encode())
    sidecar = {
        "contract": dataclasses.asdict(contract),
        **dataclasses.asdict(options),
        "batches": sorted(options.batches),
        "opset": max(entry.version for entry in model.opset_import),
        "onnx": source.name,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "command": command,
    }
    with replacing(target) as temporary:
        paths = (path.absolute() for path in (network, aipp, temporary))
        arguments = atc_arguments(contract, options, *paths)
        run_atc(arguments, temporary, target.with_suffix(".log"), environment)
        sidecar["om_sha256"] = hashlib.sha256(temporary.read_bytes()).hexdigest()
        write_json(target.with_suffix(".json"), sidecar, indent=2)
    say(f"{target}: converted for {soc_version}, {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(to_om)
