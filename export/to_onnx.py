"""Turns a checkpoint into one verified ONNX file.

python -m export.to_onnx runs/first/best.pt model.onnx
python -m export.to_onnx AttU_Net.pkl model.onnx          the public reference's or ModelZoo's
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import onnx
import torch
import tyro
from rich.console import Console

from export.graph import Deployable, Graph, count_gflop, rewrite
from export.verify import load_samples, verify
from inference.cli import run
from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError
from inference.files import replacing
from inference.runtime.segmenter import Segmenter
from training.networks.unet import Arch, UNet
from training.weights import open_trained

OPSET = 17  # the newest that onnxruntime, OpenVINO and ATC all document


@dataclass(frozen=True)
class Changes:
    """Entries of the contract that are chosen after training, on validation images; None keeps what is.

    Attributes:
        size: Side of the input in pixels, a multiple of 16 (attunet_lite0: 32): another than in training.
        threshold: A pixel is lesion when its probability is above it.
        largest_region: Keep the largest connected region of a mask alone.
        fill_holes: Fill the holes of a mask.
    """

    size: int | None = None
    threshold: float | None = None
    largest_region: bool | None = None
    fill_holes: bool | None = None

    def apply(self, contract: Contract) -> Contract:
        """The contract with the changes."""
        chosen = {key: value for key, value in vars(self).items() if value is not None}
        return dataclasses.replace(contract, **chosen)


def to_onnx(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="checkpoint")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="model")],
    arch: Arch | None = None,
    recurrence: int = 2,
    images: Path | None = None,
    graph: Graph = "phases",
    contract: Annotated[Changes, tyro.conf.OmitArgPrefixes] = Changes(),
) -> None:
    """Export a checkpoint to ONNX; the file appears only after it was verified against torch.

    Args:
        source: best.pt or last.pt of a run, or a .pkl or .pth of the public reference or ModelZoo.
        target: The ONNX file to write.
        arch: Network that a reference's file must hold; it is recognised if left out.
        recurrence: The t that a reference's R2U_Net or R2AttU_Net was trained with, which its weights do
            not tell: its classes say 2, its main.py says 3 unless --t was given.
        images: Folder of images to verify on; made-up lesions if left out.
        graph: How the arithmetic is arranged, exactly: phases suits all runtimes and chips and is what
            INT8, float16 and OM are made from; winograd is the fastest in float32 on CPUs, in a file of
            up to twice the size; plain keeps the layers as trained.
        contract: What the model file says otherwise than the checkpoint.
    """
    difference = export_model(source, target, arch, recurrence, images, graph, contract)
    Console(highlight=False, soft_wrap=True).print(
        f"{target}: verified, largest difference of probability {difference:.1e}, "
        f"{target.stat().st_size / 1e6:.1f} MB",
        markup=False,
    )


def export_model(
    source: Path,
    target: Path,
    arch: Arch | None = None,
    recurrence: int = 2,
    images: Path | None = None,
    graph: Graph = "phases",
    changes: Changes = Changes(),
) -> float:
    """Exports and verifies as `to_onnx` does, and returns the largest difference of probability.

    Raises:
        InputError: the checkpoint cannot be opened, or the model's probabilities differ from torch's.
    """
    if recurrence < 1:
        raise InputError(f"--recurrence {recurrence}: at least 1; leave it out")
    if target.suffix != ".onnx":
        raise InputError(f"{target}: must end in .onnx; change the name")
    network, contract = open_source(source, arch, recurrence, changes)
    contract = dataclasses.replace(contract, provenance={**contract.provenance, "graph": graph})
    deployed = Deployable(rewrite(network, graph, contract.size))
    model = build_model(deployed, contract)
    with replacing(target) as temporary:
        onnx.save(model, temporary)
        samples = load_samples(images, contract.size)
        return verify(
            Deployable(network), Segmenter(temporary, provider="cpu"), samples, contract.threshold
        )


def open_source(
    path: Path,
    arch: Arch | None = None,
    recurrence: int = 2,
    changes: Changes = Changes(),
) -> tuple[UNet, Contract]:
    """Opens a checkpoint of ours or of the reference; its hash goes into the contract.

    Raises:
        InputError: the checkpoint cannot be opened, or has no such size.
    """
    network, contract = open_trained(path, arch, recurrence)
    contract = changes.apply(contract)
    if contract.size < 1 or contract.size % network.multiple:
        raise InputError(
            f"--size {contract.size}: must be a multiple of {network.multiple}; change it"
        )
    origin = {
        "checkpoint": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "gflop": round(count_gflop(network, contract.size), 4),
    }
    return network, dataclasses.replace(contract, provenance={**contract.provenance, **origin})


def build_model(deployable: Deployable, contract: Contract) -> onnx.ModelProto:
    """Traces the network into a checked ONNX model with a dynamic batch and its contract."""
    image = torch.zeros(2, contract.size, contract.size, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing is the one that writes this opset itself; it warns of its age.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            deployable,
            (image,),
            buffer,  # type: ignore[arg-type]  # its type is too narrow
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["probability"],
            dynamic_axes={"image": {0: "N"}, "probability": {0: "N"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    model.metadata_props.add(key=METADATA_KEY, value=contract.to_json())
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    run(to_onnx)
