"""The static files of the page in the browser: its own, the model's and the runtime's.

The page runs one image when it opens the model and compares some probabilities with those found here, so
that a browser which computes something else says so instead of drawing a wrong outline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from export.web_runtime import GPU_FILES
from inference.errors import InputError
from inference.files import write_bytes
from inference.runtime.segmenter import Segmenter

SOURCES = Path(__file__).with_name("web")
ICON = Path(__file__).parents[1] / "app" / "favicon.svg"  # the demo's
CHECKED = 64  # pixels of the check, evenly spread
DESCRIPTION, WORKER = "model.json", "worker.js"


def write_page(folder: Path, model: Path, runtime: dict[str, bytes]) -> list[str]:
    """Writes the page, over an earlier one if there is one.

    Returns:
        The names of its files, below `folder`.

    Raises:
        InputError: the model cannot be opened, or the folder holds something else.
    """
    if folder.exists() and not is_page(folder):
        raise InputError(
            f"{folder}: does not hold a page that this command wrote; give a new folder"
        )
    files = {path.name: path.read_bytes() for path in sorted(SOURCES.iterdir()) if path.is_file()}
    files["icon.svg"] = ICON.read_bytes()
    files["model.onnx"] = model.read_bytes() if model.is_file() else b""
    files[DESCRIPTION] = json.dumps(describe(model)).encode()
    files |= {f"runtime/{name}": content for name, content in runtime.items()}
    files[WORKER] = fill_worker(files)
    for name, content in files.items():
        write_bytes(folder / name, content)
    return list(files)


def is_page(folder: Path) -> bool:
    """True for an empty folder, and for one that this module wrote."""
    return folder.is_dir() and (not any(folder.iterdir()) or (folder / DESCRIPTION).is_file())


def describe(model: Path) -> dict[str, Any]:
    """What the page must know: the file's name, its contract, and some probabilities to compare with."""
    segmenter = Segmenter(model, provider="cpu")
    contract = segmenter.contract
    (probability,) = segmenter(draw_check(contract.size)[None])
    places = np.linspace(0, probability.size - 1, CHECKED).astype(int)
    check = [[int(place), float(probability.flat[place])] for place in places]
    entries = ("size", "threshold", "largest_region", "fill_holes")
    return {
        "name": model.name,
        "contract": {name: getattr(contract, name) for name in entries},
        "check": check,
    }


def draw_check(size: int) -> np.ndarray:
    """The image of the check, (size, size, 3) uint8 RGB, as checkValue in web/model.js draws it."""
    y, x = np.mgrid[:size, :size]
    inside = (2 * x - size) ** 2 + (2 * y - size) ** 2 < size * size / 4
    colours = np.where(inside[..., None], (110, 70, 60), (220, 180, 160))
    return (colours + ((7 * x + 13 * y) % 16)[..., None]).astype(np.uint8)


def fill_worker(files: dict[str, bytes]) -> bytes:
    """The service worker, with the files that it keeps and a version that changes with them."""
    kept: Iterable[str] = sorted(
        name for name in files if name != WORKER and Path(name).stem not in GPU_FILES
    )
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
    text = Template(files[WORKER].decode()).substitute(
        version=digest[:16], files=json.dumps(["./", *kept])
    )
    return text.encode()
