"""A model file is what export wrote, and its answers are probabilities.

A flipped bit in the weights changes masks in silence, so export ends an ONNX file with a digest of all
that comes before. It is an entry of the file's metadata in protobuf's own encoding, where fields may
come in any order: every runtime reads the file as before, and hashlib alone can check it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.errors import InputError
from inference.runtime.tta import Compute

DIGEST_KEY = b"sha256"
DIGITS = 64
# ModelProto.metadata_props is field 14, a message of key (1) and value (2); a length follows each tag.
_entry = b"\x0a%c%b\x12%c" % (len(DIGEST_KEY), DIGEST_KEY, DIGITS)
STAMP = b"\x72%c%b" % (len(_entry) + DIGITS, _entry)  # the digits follow
SLACK = 1e-3  # beyond 0 and 1, for rounding in float16 and INT8


class OutputError(InputError):
    """A model computed something that is not a probability."""


def stamp_digest(content: bytes) -> bytes:
    """An ONNX file's content with its digest behind; one that is there already is replaced."""
    weights, _ = split_digest(content)
    return weights + STAMP + hashlib.sha256(weights).hexdigest().encode()


def split_digest(content: bytes) -> tuple[bytes, str]:
    """An ONNX file's content without its digest, and the digest; "" for a file without one."""
    end = len(content) - DIGITS - len(STAMP)
    if end < 0 or content[end : end + len(STAMP)] != STAMP:
        return content, ""
    return content[:end], content[-DIGITS:].decode("ascii", "replace")


def verify_digest(path: Path) -> str:
    """Compares a model file with its digest, if it has one.

    Returns:
        The SHA-256 of the file without its digest.

    Raises:
        InputError: the file has changed since it was written.
    """
    content, said = split_digest(path.read_bytes())
    found = hashlib.sha256(content).hexdigest()
    if said and found != said:
        raise InputError(
            f"{path}: damaged, or changed since it was exported (its content does not match its digest); "
            "copy it again, or export it again"
        )
    return found


def require_signature(
    path: Path, inputs: Sequence[str], outputs: Sequence[str], sides: Sequence[object], size: int
) -> None:
    """Raises InputError unless a model takes `image` and gives `probability`, at its contract's size.

    Args:
        sides: of the input, without the batch; a side that is not an int can be any.
    """
    if list(inputs) != ["image"] or list(outputs) != ["probability"]:
        raise InputError(
            f"{path}: its input is {', '.join(inputs)} and its output {', '.join(outputs)}, not image "
            "and probability; export it with `make export`"
        )
    if any(isinstance(side, int) and side != own for side, own in zip(sides, (size, size, 3))):
        raise InputError(
            f"{path}: its contract says {size} x {size} x 3, but its graph takes "
            f"{' x '.join(map(str, sides))}; export it again"
        )


def check_output(path: Path, compute: Compute) -> Compute:
    """The same computation, which raises OutputError for an answer that is not a probability."""

    def compute_checked(images: np.ndarray) -> np.ndarray:
        found = compute(images)
        if found.shape != images.shape[:3]:
            raise OutputError(
                f"{path}: returns {found.shape} values for {images.shape[:3]} images; export it again"
            )
        with np.errstate(invalid="ignore"):
            low, high = float(found.min()), float(found.max())
        if not (low >= -SLACK and high <= 1 + SLACK):  # false for nan, too
            raise OutputError(
                f"{path}: returns values from {low:.3g} to {high:.3g}, which are not probabilities from "
                "0 to 1; export it again, or try --provider cpu"
            )
        return found

    return compute_checked
