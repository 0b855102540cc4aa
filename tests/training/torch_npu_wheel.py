"""Checks what training asks of the real torch_npu, on a machine without NPU and CANN.

    python -m tests.training.torch_npu_wheel 2.12.0 wheels/2.12.0
    python -m tests.training.torch_npu_wheel 2.9.0.post6 wheels/2.9.0 --torch 2.9.0

Installs torch_npu and its torch in an environment of their own, writes empty stand-ins for the libraries
that they miss (CANN's, and CUDA's where pip brought a torch for it), and runs real_npu.py there. Needs
binutils and gcc.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Annotated, NamedTuple

from tyro.conf import Positional, arg

from inference.cli import run
from inference.errors import InputError
from inference.machine import ROOT

CHECK = Path(__file__).with_name("real_npu.py")
# What torch and torch_npu import; their own lists would bring gigabytes of CUDA along.
PACKAGES = "filelock typing-extensions sympy networkx jinja2 fsspec pyyaml setuptools".split()
ASSEMBLY = ".text\nnothing:\n    xor %eax, %eax\n    ret\n"


class Symbol(NamedTuple):
    """A dynamic symbol, and the version that it has in its library."""

    name: str
    version: str


def check_wheel(
    version: Annotated[str, Positional, arg(metavar="VERSION")],
    folder: Annotated[Path, Positional, arg(metavar="FOLDER")],
    torch: str = "",
) -> int:
    """Run the check against one release of torch_npu.

    Args:
        version: Release of torch_npu.
        folder: Where its environment is, or is made.
        torch: Release of torch; default: the one that it is named after.
    """
    python = folder.absolute() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pair = [f"torch=={torch or version.split('.post')[0]}", f"torch_npu=={version}"]
    subprocess.run([*install, "--no-deps", *pair], check=True)
    ours = [name for name in metadata.requires("attention-unet") or [] if "extra ==" not in name]
    subprocess.run([*install, *PACKAGES, *ours], check=True)
    stand_ins = folder.absolute() / "stand-ins"
    write_stand_ins(folder, stand_ins)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(stand_ins),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run([str(python), str(CHECK)], env=environment, check=False).returncode


def write_stand_ins(environment: Path, folder: Path) -> None:
    """Writes libraries under the names that are missing, with all functions that nobody defines.

    Each function returns 0, whatever its type.
    """
    packages = next(environment.glob("lib/python*/site-packages"))
    libraries = [
        *packages.glob("torch/lib/*.so*"),
        *packages.glob("torch_npu/**/*.so*"),
        *packages.glob("torch*/_C*.so"),
    ]
    linked = ask("ldd", *libraries)
    missing = set(re.findall(r"^\s*(\S+) => not found", linked, re.MULTILINE))
    missing -= {path.name for path in libraries}
    present = {Path(path) for path in re.findall(r"=> (/\S+)", linked)} | set(libraries)
    defined = {symbol.name for symbol in symbols("--defined-only", present)}
    wanted = {
        symbol for symbol in symbols("--undefined-only", libraries) if symbol.name not in defined
    }
    versions = find_versions(libraries)
    folder.mkdir(exist_ok=True)
    for library in missing:  # nothing says which of them has a symbol without a version
        own = {"", *versions[library]}
        write_library(folder / library, [symbol for symbol in wanted if symbol.version in own])


def write_library(path: Path, wanted: Iterable[Symbol]) -> None:
    """Writes a library of functions that return 0."""
    names = {symbol.name for symbol in wanted}
    lines = [f".globl {name}\n.type {name}, @function\n.set {name}, nothing" for name in names]
    source, script = path.with_suffix(".s"), path.with_suffix(".map")
    source.write_text("\n".join([ASSEMBLY, *sorted(lines), ""]))
    by_version = defaultdict(list)
    for symbol in wanted:
        if symbol.version:
            by_version[symbol.version].append(symbol.name)
    script.write_text(
        "\n".join(f"{version} {{ {'; '.join(names)}; }};" for version, names in by_version.items())
    )
    command = ["gcc", "-shared", "-nostdlib", f"-Wl,-soname,{path.name}", "-o", str(path)]
    if by_version:
        command.append(f"-Wl,--version-script={script}")
    subprocess.run([*command, str(source)], check=True)


def find_versions(libraries: Iterable[Path]) -> dict[str, set[str]]:
    """The versions of symbols that are asked for, by the library that is to have them."""
    versions = defaultdict(set)
    library = ""
    for line in ask("readelf", "--version-info", "--wide", *libraries).splitlines():
        if match := re.search(r"File: (\S+)", line):
            library = match[1]
        elif match := re.search(r"Name: (\S+)\s+Flags", line):
            versions[library].add(match[1])
    return versions


def symbols(kind: str, libraries: Iterable[Path]) -> set[Symbol]:
    """Dynamic symbols of libraries."""
    found = set()
    for line in ask("nm", "--dynamic", "--just-symbols", kind, *libraries).splitlines():
        name, *version = re.split("@+", line)
        if re.fullmatch(r"[\w.$]+", name):
            found.add(Symbol(name, version[0] if version else ""))
    return found


def ask(tool: str, *arguments: object) -> str:
    """What a tool of binutils prints; it complains about files that are not libraries."""
    try:
        done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise InputError(f"{tool}: is not on the PATH; apt install binutils gcc") from error
    return done.stdout


if __name__ == "__main__":
    run(check_wheel)
