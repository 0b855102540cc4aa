"""The file format of checkpoints: dicts of tensors and plain values, written whole or not at all."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inference.errors import InputError
from inference.files import replacing

SEAL = re.compile(rb"crc32:([0-9a-f]{8})")  # the comment of the archives that we write
SEAL_SIZE = 14
RESUME = "the previous checkpoint is kept: free some space and continue with --resume"  # a run


def save(path: Path, checkpoint: dict[str, Any], fix: str = RESUME) -> None:
    """Writes a checkpoint atomically, its tensors moved to the CPU.

    Raises:
        InputError: the disk is full, or the folder is read-only; `fix` says what helps.
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(on_cpu(checkpoint), file)
            file.flush()
            seal(temporary)
            os.fsync(file.fileno())  # on the disk before it replaces the previous one
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be written ({reason}); {fix}") from error


def seal(path: Path) -> None:
    """Writes the CRC-32 of a zip archive into its comment: torch keeps one of each member, and so none of
    the bytes between them."""
    with path.open("rb+") as file:
        file.seek(-2, os.SEEK_END)  # the length of the comment
        file.write(SEAL_SIZE.to_bytes(2, "little"))
        file.flush()
        file.write(b"crc32:%08x" % zlib.crc32(np.memmap(path, np.uint8, "r").data))


def find_damage(path: Path) -> str:
    """What is wrong with the checksums of a zip archive, sealed or not; empty if nothing is.

    Files of torch's first format are no archives, and have none.

    Raises:
        zipfile.BadZipFile, OSError and others: it cannot be read at all.
    """
    if not zipfile.is_zipfile(path):
        return ""
    content = np.memmap(path, np.uint8, "r")
    if found := SEAL.fullmatch(content[-SEAL_SIZE:].tobytes()):
        same = int(found[1], 16) == zlib.crc32(content[:-SEAL_SIZE].data)
        return "" if same else "its checksum differs"
    with zipfile.ZipFile(path) as archive:
        if archive.comment:
            return "its checksum is damaged"
        member = archive.testzip()
    return f"the checksum of {member} differs" if member else ""


def on_cpu(entry: Any) -> Any:
    """Copies the tensors in nested dicts and lists to the CPU, so that any machine can load them."""
    if isinstance(entry, Tensor):
        return entry.detach().cpu()
    if isinstance(entry, dict):
        return {key: on_cpu(value) for key, value in entry.items()}
    return [on_cpu(value) for value in entry] if isinstance(entry, list) else entry


def is_finite(entry: Any) -> bool:
    """True if no tensor in nested dicts and lists holds infinities or NaN."""
    if isinstance(entry, Tensor):
        return not entry.is_floating_point() or bool(entry.isfinite().all())
    if isinstance(entry, dict):
        return all(map(is_finite, entry.values()))
    return all(map(is_finite, entry)) if isinstance(entry, (list, tuple)) else True


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint or a state dict onto the CPU; no code in the file is run.

    Raises:
        InputError: no such file, or not a checkpoint.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; give best.pt or last.pt of a run")
    try:
        damage = find_damage(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, which are read or refused anyway
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: not a checkpoint, or one that holds more than weights and plain values (a whole "
            "pickled network?); save network.state_dict() with torch.save"
        ) from error
    except Exception as error:  # torch raises all kinds of errors on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: cannot be read as a checkpoint ({reason}); give another file"
        ) from error
    if damage:
        raise InputError(
            f"{path}: damaged since it was written ({damage}); give another copy, or another checkpoint"
        )
    if not isinstance(checkpoint, dict):
        raise InputError(
            f"{path}: holds a {type(checkpoint).__name__}, not a checkpoint; give another file"
        )
    return checkpoint
