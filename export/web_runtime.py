"""ONNX Runtime Web from npm's registry: one pinned version, checked and kept."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from inference.errors import InputError
from inference.files import cache_folder, write_bytes

VERSION = "1.30.0"  # MIT licence
URL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
# The registry's `dist.integrity` of this version.
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# Of the CPU and of WebGPU: the library, its loader, and the WebAssembly.
CPU_FILES = ("ort.wasm.min", "ort-wasm-simd-threaded")
GPU_FILES = ("ort.webgpu.min", "ort-wasm-simd-threaded.asyncify")
TIMEOUT = 60  # seconds without an answer


def fetch_runtime(archive: Path | None = None) -> dict[str, bytes]:
    """The runtime's files by name; those that are .mjs in the archive are .js, which every server knows.

    Args:
        archive: npm's archive of this version; None: kept from before, or fetched.

    Raises:
        InputError: it cannot be fetched, or is not that version.
    """
    kept = archive or cache_folder() / URL.rpartition("/")[2]
    if archive and not archive.is_file():
        raise InputError(
            f"--runtime {archive}: no such file; `npm pack onnxruntime-web@{VERSION}` makes it"
        )
    if not kept.is_file():
        write_bytes(kept, download())
    content = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
        raise InputError(
            f"{kept}: is not onnxruntime-web {VERSION} as published; delete it and try again"
        )
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        names = {f"{name}.js": f"{name}.mjs" for name in (*CPU_FILES, *GPU_FILES)}
        names |= {f"{loader}.wasm": f"{loader}.wasm" for _, loader in (CPU_FILES, GPU_FILES)}
        return {name: read(files, f"package/dist/{stored}") for name, stored in names.items()}


def download() -> bytes:
    try:
        with urlopen(URL, timeout=TIMEOUT) as response:
            return response.read()
    except (URLError, OSError) as error:
        raise InputError(
            f"{URL}: cannot be fetched ({error}); fetch it elsewhere with "
            f"`npm pack onnxruntime-web@{VERSION}` and give the file with --runtime"
        ) from error


def read(files: tarfile.TarFile, name: str) -> bytes:
    member = files.extractfile(name)
    assert member, name  # the checksum says which files there are
    return member.read()
