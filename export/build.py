"""From a checkpoint to one verified ONNX file.

torch's exporter by tracing (dynamo=False) is deprecated, and stays for now. With torch 2.13 and
onnxscript 0.7.2, dynamo=True computes the same where it was tried (plain at opset 17, phases at 18), but

- writes at least opset 18; a converter makes 17 of it, and leaves 18 where it cannot;
- writes IR version 10, while ATC is known to read 8;
- exports the phases of an upsampling as Unsqueeze, Concat and Reshape before a DepthToSpace, operators
  that ATC and the INT8 path were not checked with; onnx_ops would have to become custom operators with
  translations of their own;
- needs onnxscript, and takes about ten times as long (71 s against 7 s on one machine).
"""

from __future__ import annotations

import dataclasses
import io
import warnings
from pathlib import Path

import onnx
import torch

from export.graph import Deployable, Graph, rewrite
from export.onnx_file import require_target, save_model
from export.source import AS_TRAINED, ContractChanges, open_source
from export.verify import load_samples, verify
from inference.contract import METADATA_KEY, Contract
from inference.files import replacing
from inference.runtime.segmenter import Segmenter
from training.networks.unet import Arch

OPSET = 17  # the newest that onnxruntime, OpenVINO and ATC all document


def export_model(
    source: Path,
    target: Path,
    arch: Arch | None = None,
    recurrence: int = 2,
    images: Path | None = None,
    graph: Graph = "phases",
    changes: ContractChanges = AS_TRAINED,
) -> float:
    """Writes a checkpoint's network as an ONNX file that was verified against torch.

    Args:
        source, arch, recurrence, changes: as `open_source` takes them.
        images: folder of images to verify on; synthetic lesions if None.
        graph: as `rewrite` takes it.

    Returns:
        The largest difference in probability from torch.

    Raises:
        InputError: the checkpoint cannot be opened, or `target` cannot be an ONNX file.
        ParityError: the model computes something else; nothing was written.
    """
    require_target(target)
    network, contract = open_source(source, arch, recurrence, changes)
    contract = dataclasses.replace(contract, provenance={**contract.provenance, "graph": graph})
    model = build_model(Deployable(rewrite(network, graph, contract.size)), contract)
    with replacing(target) as temporary:
        save_model(model, temporary)
        exported = Segmenter(temporary, provider="cpu")
        samples = load_samples(images, contract.size)
        return verify(Deployable(network), exported, samples, contract.threshold)


def build_model(deployable: Deployable, contract: Contract) -> onnx.ModelProto:
    """Traces a network into a checked ONNX model with a dynamic batch size, its contract inside."""
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
