"""ATC, the model compiler of Ascend CANN: its command line, how it is run, what its errors mean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inference.cann import source_cann
from inference.contract import Contract
from inference.errors import InputError
from inference.machine import find_chips

Precision = Literal["fp16", "mixed_float16", "origin"]
MAX_BATCHES = 100
# Their AI Core convolutions refuse float32, users report.
HALF_ONLY = ("Ascend310P", "Ascend310B")
# Hints, by the codes in CANN's own tables (GE, TE, FE).
ATC_HINTS = {
    ("E10001",): "this CANN does not know a value, usually --soc-version; see npu-smi info",
    ("E10007",): "this CANN needs another argument; update CANN",
    ("E10002", "E10016", "E10018", "E10031"): (
        "the input's shape or name was refused; export the model again"
    ),
    ("E10021",): "a path is too long; choose a shorter one",
    ("E10035", "E10036", "E10039"): "the batch sizes were refused; they must differ, 100 at most",
    ("E19010", "EZ9010"): "this CANN does not know an operator or the opset; update CANN",
    ("EZ3002", "EZ3003"): "an operator has no kernel for this chip; install the chip's ops package",
    ("E20001", "E40021"): "an operator did not compile; install the chip's ops package",
    ("E40002", "E40020"): (
        "CANN's compiler lacks a Python that it supports, or modules; source set_env.sh, and give "
        "--python one with numpy (below 2 before CANN 9.0) and what `make doctor` names"
    ),
    ("E20002",): "CANN's environment is that of another installation; source its set_env.sh",
}


@dataclass(frozen=True)
class AtcOptions:
    """Options of a conversion.

    Attributes:
        soc_version: chip, as ATC spells it: Ascend310, Ascend310P3, Ascend910B3, ...
        batches: batch sizes that the model takes; with one, the model is static.
        precision: fp16, mixed_float16 (some operators stay float32), or origin (as the ONNX file).
    """

    soc_version: str
    batches: tuple[int, ...] = (1,)
    precision: Precision = "fp16"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"Ascend\d{3}\w*", self.soc_version):
            raise InputError(
                f"--soc-version {self.soc_version}: must be as ATC spells it, as in Ascend310P3; write "
                '"Ascend" and the name that npu-smi info shows'
            )
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) < len(self.batches):
            raise InputError(
                f"--batches {' '.join(map(str, self.batches))}: must be distinct and at least 1; "
                "try 1 4 8"
            )
        if len(self.batches) > MAX_BATCHES:
            raise InputError(
                f"--batches: {len(self.batches)} given; ATC takes at most {MAX_BATCHES}"
            )

    def doubt(self) -> str:
        """What may not work, and what to choose instead; empty if nothing is known."""
        if self.precision != "origin" or not self.soc_version.startswith(HALF_ONLY):
            return ""
        return (
            f"--precision origin on {self.soc_version}: others report that its convolutions refuse "
            "float32; choose fp16, or mixed_float16 if some operators need float32"
        )


def atc_arguments(
    contract: Contract, options: AtcOptions, model: Path, aipp: Path, output: Path
) -> list[str]:
    """ATC's command line.

    One batch size makes a static model; several are given as --dynamic_batch_size, which works with AIPP
    and excludes dynamic_image_size, dynamic_dims and input_shape_range. --precision_mode_v2 excludes
    --precision_mode.

    Args:
        model: ONNX file of `aipp.cut_normalisation`.
        aipp: file of `aipp.aipp_config`.
        output: path of the .om; ATC adds the suffix itself.
    """
    batches = sorted(options.batches)
    batch = batches[0] if len(batches) == 1 else -1
    several = ",".join(map(str, batches))
    return [
        "atc",
        "--framework=5",
        f"--model={model}",
        f"--output={output.with_suffix('')}",
        f"--soc_version={options.soc_version}",
        "--input_format=NCHW",
        f"--input_shape=image:{batch},3,{contract.size},{contract.size}",
        *([f"--dynamic_batch_size={several}"] if len(batches) > 1 else []),
        f"--insert_op_conf={aipp}",
        f"--precision_mode_v2={options.precision}",
        "--log=error",
    ]


def find_soc_version() -> str:
    """This machine's chip, from `npu-smi info`, as ATC spells it.

    Raises:
        InputError: npu-smi is missing, or shows no chip or several kinds.
    """
    hint = "give --soc-version, as in Ascend310P3"
    if not shutil.which("npu-smi"):
        raise InputError(f"--soc-version auto: npu-smi is not on the PATH; {hint}")
    done = subprocess.run(["npu-smi", "info"], capture_output=True, text=True)
    names = set(find_chips(done.stdout))
    if done.returncode or len(names) != 1:
        found = ", ".join(sorted(names)) or "no chip"
        raise InputError(f"--soc-version auto: npu-smi info shows {found}; {hint}")
    return "Ascend" + names.pop().removeprefix("Ascend")


def find_atc(python: Path | None = None) -> dict[str, str]:
    """The environment in which ATC is found, and finds the interpreter of CANN's compiler.

    Args:
        python: that interpreter; the first python3 on the PATH if None.

    Raises:
        InputError: there is no ATC, or no such interpreter.
    """
    path = os.environ.get("PATH", "")
    if python:  # ATC asks for python3 by that name alone
        folder = python.expanduser().parent.absolute()
        if not python.expanduser().is_file() or not (folder / "python3").exists():
            raise InputError(
                f"--python {python}: no python3 is there; give a path that ends in /bin/python3"
            )
        path = os.pathsep.join((str(folder), path))
    if not shutil.which("atc", path=path):
        raise InputError(
            f"atc: not on the PATH; install CANN and {source_cann()}, or add --dry-run"
        )
    return {**os.environ, "PATH": path}


def run_atc(arguments: list[str], output: Path, log: Path, environment: dict[str, str]) -> None:
    """Runs ATC; what it prints is kept in `log`.

    It runs in a folder that is then removed, since it leaves fusion_result.json and kernel_meta/ where it
    runs: paths in `arguments` must be absolute.

    Args:
        environment: as `find_atc` returns it.

    Raises:
        InputError: ATC failed, or reported success and wrote nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    log.write_bytes(done.stdout)
    printed = done.stdout.decode(errors="replace")
    if done.returncode:
        raise InputError(
            f"atc: failed with exit code {done.returncode}: {explain(printed)}; see {log}"
        )
    # Some releases add the host's system to the name: model_linux_x86_64.om.
    for written in output.parent.glob(f"{output.stem}_*.om"):
        written.replace(output)
    if not output.is_file():
        raise InputError(f"atc: succeeded but wrote no model: {explain(printed)}; see {log}")


def explain(log: str) -> str:
    """The first code in ATC's output that has a hint, with it; the last line if none has."""
    for code in re.findall(r"\bEZ?\d{4,5}\b", log):
        for codes, hint in ATC_HINTS.items():
            if code in codes:
                return f"{code}: {hint}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
