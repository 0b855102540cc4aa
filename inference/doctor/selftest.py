"""Segments one made-up lesion, from image file to mask file, to see whether that works here.

python -m inference.doctor.selftest --provider cpu
python -m inference.doctor.selftest --provider cpu --model model.onnx
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from inference.cli import run
from inference.errors import InputError
from inference.images.pixels import read_mask
from inference.images.write import write_image
from inference.runtime.providers import Provider
from inference.runtime.segmenter import Segmenter
from inference.scoring.metrics import average_scores, count

# An ONNX file, opset 17: (N, 64, 64, 3) uint8 -> Cast, Transpose, Conv, Sigmoid, Squeeze -> lesion where
# it is dark, with the contract {"size": 64}. As bytes, because inference does without the onnx package.
DARKNESS = bytes.fromhex(
    "08083a94020a1b0a05696d6167651201662204436173742a090a02746f1801a001020a240a0166120178"
    "22095472616e73706f73652a110a047065726d4000400340014002a001070a120a01780a01770a016212"
    "01792204436f6e760a0f0a017912017022075369676d6f69640a1f0a01700a0461786573120b70726f62"
    "6162696c697479220753717565657a651201672a1b080108030801080110014201774a0c0ad723bd0ad7"
    "23bd0ad723bd2a0d080110014201624a04000070412a14080110074204617865734a0801000000000000"
    "005a200a05696d61676512170a15080212110a0312014e0a0208400a0208400a02080362220a0b70726f"
    "626162696c69747912130a110801120d0a0312014e0a0208400a02084042040a00101172180a08636f6e"
    "7472616374120c7b2273697a65223a2036347d"
)
SKIN, LESION = np.array([[224, 180, 160], [90, 60, 50]], np.uint8)  # RGB
MIN_DICE = 0.95  # the outline is that of 64 x 64 pixels on an image of twice the size


def selftest(provider: Provider = "auto", model: Path | None = None) -> None:
    """Segment one synthetic lesion, from image file to mask file, in a temporary folder.

    Exit code: 0 if it worked; 2 if not, with the reason on stderr.

    Args:
        provider: Runtime: cpu, openvino, cuda, tensorrt, cann; auto takes the first that works.
        model: Model file; default: a network with a single convolution that finds dark pixels.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = model or Path(folder, "darkness.onnx")
        if model is None:
            path.write_bytes(DARKNESS)
        segmenter = Segmenter(path, provider=provider)
        dice = segment_drawing(segmenter, Path(folder))
        megabytes = path.stat().st_size / 1e6
    if model is None and dice < MIN_DICE:
        raise InputError(f"{segmenter.provider} gives wrong results: dice {dice:.3f} instead of 1")
    found = f"synthetic lesion found with dice {dice:.3f} on {segmenter.provider}"
    print(f"{found}; {describe(segmenter)}, {megabytes:.1f} MB" if model else found)


def segment_drawing(segmenter: Segmenter, folder: Path) -> float:
    """Draws a lesion, segments it from file to file, and scores the mask: dice, 0 to 1."""
    lesion = np.zeros((128, 160), np.uint8)
    cv2.ellipse(lesion, (70, 60), (45, 30), 20, 0, 360, 1, cv2.FILLED)
    write_image(folder / "image.png", np.where(lesion[..., None] > 0, LESION, SKIN))
    segmenter.segment(folder / "image.png").save(folder / "mask.png")
    return average_scores(count(lesion, read_mask(folder / "mask.png"))[None])["dice"]


def describe(segmenter: Segmenter) -> str:
    """A model's contract in a few words."""
    contract = segmenter.contract
    origin = contract.provenance
    known = [f"{key} {origin[key]}" for key in ("arch", "width", "graph", "gflop") if key in origin]
    size = f"input {contract.size} x {contract.size}"
    return ", ".join([size, f"threshold {contract.threshold:g}", *known])


if __name__ == "__main__":
    run(selftest)
