"""labelstudio.json: the masks of a run as pre-annotations to correct in Label Studio.

https://labelstud.io/guide/predictions. The project's labels: <BrushLabels name="brush" toName="image">
with a lesion, over <Image name="image" value="$image"/>. Addresses of images are those of local storage
whose root is the folder that was segmented.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from inference.batch.annotated import read_masks
from inference.batch.overview import Overview, Results
from inference.files import write_json
from inference.masks.formats.format import CLASS_NAME
from inference.masks.formats.rle import find_counts

CHANNELS = 4  # of brush strokes: red, green, blue and opacity, each the same
SIZES = (3, 4, 8, 16)  # bits of the lengths to choose from
VALUE_BITS = 8


def write_label_studio(path: Path, results: Results) -> None:
    """Writes a task for each image, with a prediction unless the mask is empty."""
    model = results.models[0].name
    tasks: list[dict[str, Any]] = []
    for file, mask in read_masks(results):
        task: dict[str, Any] = {"data": {"image": f"/data/local-files/?d={quote(file)}"}}
        if mask.any():
            task["predictions"] = [{"model_version": model, "result": [describe(mask)]}]
        tasks.append(task)
    write_json(path, tasks)


def describe(mask: np.ndarray) -> dict[str, Any]:
    """A mask as one result of a prediction."""
    height, width = mask.shape
    return {
        "id": CLASS_NAME,
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": [*encode_brush(mask)], "brushlabels": [CLASS_NAME]},
    }


def encode_brush(mask: np.ndarray) -> bytes:
    """Encodes a (H, W) bool mask as brush strokes, in the run lengths of npm's @thi.ng/rle-pack.

    A stream of bits: the number of values (32 bits); the bits of a value - 1 (5 bits); the bits of each
    of four sizes of length, - 1 (4 bits each); then for each run a 1, two bits that choose a size, the
    length - 1, and the value.
    """
    bits = [f"{mask.size * CHANNELS:032b}{VALUE_BITS - 1:05b}"]
    bits += [f"{size - 1:04b}" for size in SIZES]
    for number, count in enumerate(find_counts(mask.ravel())):
        value = 255 * (number % 2)
        rest = count * CHANNELS
        while rest:
            length = min(rest, 1 << SIZES[-1])
            choice = next(i for i, size in enumerate(SIZES) if length <= 1 << size)
            bits.append(f"1{choice:02b}{length - 1:0{SIZES[choice]}b}{value:0{VALUE_BITS}b}")
            rest -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


LABEL_STUDIO = Overview(
    "labelstudio", "labelstudio.json", "Label Studio tasks", write_label_studio, True
)
