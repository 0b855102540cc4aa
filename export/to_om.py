"""Turns an exported model into an Ascend OM that eats the same bytes.

python -m export.to_om model.onnx model.om --soc-version Ascend310P3
python -m export.to_om model.onnx model.om --soc-version auto --batches 1 4 8 16
python -m export.to_om model.onnx model.om --soc-version Ascend910B3 --dry-run
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import onnx
import tyro
from rich.console import Console

from export.atc import (
    AtcOptions,
    Precision,
    aipp_config,
    atc_arguments,
    cut_normalisation,
    explain,
)
from export.onnx_file import read_onnx_file
from inference.cli import run
from inference.errors import InputError
from inference.files import replacing
from inference.machine import find_chips

SET_ENV = "source /usr/local/Ascend/cann/set_env.sh"


def to_om(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="onnx")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="om")],
    soc_version: str,
    batches: tuple[int, ...] = (1,),
    precision: Precision = "fp16",
    dry_run: bool = False,
) -> None:
    """Convert an exported model to an Ascend OM with ATC; the normalisation moves into AIPP.

    Beside MODEL.om come MODEL.json (contract and how it was made, which inference reads), MODEL.log
    (what ATC said), and what ATC was given: MODEL.aipp.cfg and MODEL.atc.onnx.

    Args:
        source: ONNX file of export.to_onnx, in float32.
        target: The .om file to write.
        soc_version: Chip, as ATC spells it (Ascend310, Ascend310P3, Ascend910B3, ...); auto asks npu-smi
            on this machine.
        batches: Batch sizes that the model takes; several make it dynamic in the batch.
        precision: fp16; mixed_float16 keeps some operators in float32; origin keeps the model's own.
        dry_run: Write ATC's inputs and print the exact command, but do not run it; needs no CANN.
    """
    if target.suffix != ".om":
        raise InputError(f"{target}: must end in .om; change the name")
    model, contract = read_onnx_file(source)
    soc_version = find_soc_version() if soc_version == "auto" else soc_version
    options = AtcOptions(soc_version, batches, precision)
    network, aipp = target.with_suffix(".atc.onnx"), target.with_suffix(".aipp.cfg")
    arguments = atc_arguments(contract, options, network, aipp, target)
    cut = cut_normalisation(model, contract.size)
    with replacing(network) as temporary:
        onnx.save(cut, temporary)
    with replacing(aipp) as temporary:
        temporary.write_text(aipp_config(contract), encoding="utf-8")
    console = Console(highlight=False, soft_wrap=True)
    if dry_run:
        console.print(shlex.join(arguments), markup=False)
        return
    sidecar = {
        "contract": dataclasses.asdict(contract),
        **dataclasses.asdict(options),
        "batches": sorted(options.batches),
        "opset": max(entry.version for entry in model.opset_import),
        "onnx": source.name,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "command": shlex.join(arguments),
    }
    with replacing(target) as temporary:
        log = target.with_suffix(".log")
        convert(atc_arguments(contract, options, network, aipp, temporary), temporary, log)
        with replacing(target.with_suffix(".json")) as description:
            description.write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    console.print(
        f"{target}: converted for {soc_version}, {target.stat().st_size / 1e6:.1f} MB", markup=False
    )


def find_soc_version() -> str:
    """The chip of this machine, from `npu-smi info`, as ATC spells it."""
    cure = "give --soc-version, as in Ascend310P3"
    if not shutil.which("npu-smi"):
        raise InputError(f"--soc-version auto: npu-smi is not on the PATH; {cure}")
    done = subprocess.run(["npu-smi", "info"], capture_output=True, text=True)
    names = set(find_chips(done.stdout))
    if done.returncode or len(names) != 1:
        found = ", ".join(sorted(names)) or "no chip"
        raise InputError(f"--soc-version auto: npu-smi info shows {found}; {cure}")
    return "Ascend" + names.pop().removeprefix("Ascend")


def convert(arguments: list[str], output: Path, log: Path) -> None:
    """Runs ATC; its output is kept in `log`.

    Raises:
        InputError: no ATC, or it failed, or it said that all went well and wrote nothing.
    """
    if not shutil.which(arguments[0]):
        raise InputError(f"atc: is not on the PATH; install CANN and {SET_ENV}, or add --dry-run")
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log.write_bytes(done.stdout)
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise InputError(
            f"atc: failed with exit code {done.returncode}: {explain(said)}; see {log}"
        )
    # Some releases add the host's system to the name: model_linux_x86_64.om.
    for written in output.parent.glob(f"{output.stem}_*.om"):
        written.replace(output)
    if not output.is_file():
        raise InputError(f"atc: ended well but wrote no model: {explain(said)}; see {log}")


if __name__ == "__main__":
    run(to_om)
