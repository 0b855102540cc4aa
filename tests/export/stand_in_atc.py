"""Stands in for ATC: reads its arguments and its model, answers with its codes, litters as it does.

STAND_IN_ATC_SUFFIX is added to the model's name, as some releases do; with STAND_IN_ATC_NUMPY=1 it is of
a CANN whose compiler runs with NumPy 1 alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import onnx

CHIPS = {"Ascend310", "Ascend310P3", "Ascend310B1", "Ascend910A", "Ascend910B3"}
KNOWN = {
    *("framework", "model", "output", "soc_version", "input_format", "input_shape"),
    *("dynamic_batch_size", "insert_op_conf", "precision_mode_v2", "log"),
}


def fail(code: str, said: str) -> NoReturn:
    print("ATC run failed, Please check the detail log, Try 'atc --help' for more information")
    print(f"{code}: {said}")
    sys.exit(255)


def main() -> None:
    print("ATC start working now, please wait for a moment.")
    given = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    for name in set(given) - KNOWN:
        fail("E10007", f"[--{name}] is not supported.")
    if given["soc_version"] not in CHIPS:
        fail("E10001", f"Value [{given['soc_version']}] for parameter [--soc_version] is invalid.")
    for name in ("model", "insert_op_conf"):
        if not Path(given[name]).is_file():
            fail("E10410", f"Cfg file [{given[name]}] is not exist.")
    os.makedirs("kernel_meta", exist_ok=True)
    Path("kernel_meta", "te_conv2d.o").write_bytes(b"\x7fELF")
    Path("fusion_result.json").write_text("[]")
    said = subprocess.run(["python3", "--version"], capture_output=True, text=True).stdout.strip()
    if os.environ.get("STAND_IN_ATC_NUMPY") == "1" and "numpy 1" not in said:
        fail("E40020", "Failed to import Python module [numpy].")
    model = onnx.load(given["model"])
    opset = max(entry.version for entry in model.opset_import)
    for node in model.graph.node:
        if opset > 17 or node.op_type in ("QuantizeLinear", "Resize"):
            fail(
                "E19010", f"No parser is registered for Op [{node.name}, optype [{node.op_type}]]."
            )
    shape = given["input_shape"].split(":")[1].split(",")
    if (shape[0] == "-1") != ("dynamic_batch_size" in given):
        fail("E10039", "The batch sizes are not those of the shape.")
    suffix = os.environ.get("STAND_IN_ATC_SUFFIX", "")
    Path(f"{given['output']}{suffix}.om").write_bytes(b"om " + said.encode())
    print("ATC run success, welcome to the next use.")


main()
