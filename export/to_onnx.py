"""Exports a checkpoint to one verified ONNX file.

python -m export.to_onnx runs/first/best.pt model.onnx
python -m export.to_onnx AttU_Net.pkl model.onnx          the public reference's or ModelZoo's
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from export.build import export_model
from export.graph import Graph
from export.source import AS_TRAINED, ContractChanges
from inference.cli import run, say
from training.networks.unet import Arch


def to_onnx(
    source: Annotated[Path, Positional, arg(name="checkpoint", metavar="CHECKPOINT")],
    target: Annotated[Path, Positional, arg(name="model", metavar="MODEL")],
    arch: Arch | None = None,
    recurrence: Annotated[int, arg(metavar="T")] = 2,
    images: Annotated[Path | None, arg(metavar="IMAGES")] = None,
    graph: Graph = "phases",
    contract: Annotated[ContractChanges, OmitArgPrefixes] = AS_TRAINED,
) -> None:
    """Export a checkpoint to ONNX; the file is saved only after it has been verified against torch.

    Args:
        source: best.pt or last.pt of a run, or a .pkl or .pth of the public reference or ModelZoo.
        target: ONNX file to write.
        arch: Network that a reference checkpoint must contain; detected by default.
        recurrence: Recurrence t that a reference R2U_Net or R2AttU_Net was trained with; its weights do
            not record it. The reference's classes default to 2, its main.py to 3.
        images: Folder of images to verify on; default: synthetic lesions.
        graph: Form of the graph; all compute the same function. phases suits all runtimes and chips, and
            is what INT8, float16 and OM are made from; winograd is the fastest in float32 on CPUs, in a
            file of up to twice the size; plain keeps the layers as trained.
        contract: Entries of the model's contract that replace those of the checkpoint.
    """
    difference = export_model(source, target, arch, recurrence, images, graph, contract)
    say(
        f"{target}: verified, largest difference in probability {difference:.1e}, "
        f"{target.stat().st_size / 1e6:.1f} MB"
    )
    say("to make it report which outlines to check: python -m export.fit_confidence MODEL DATA")


if __name__ == "__main__":
    run(to_onnx)
