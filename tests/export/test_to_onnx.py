import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import build
from export.graph import Deployable
from export.to_onnx import to_onnx
from export.verify import ParityError
from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter
from tests.training.reference_networks import ReferenceNetwork
from training.networks.reference import ARCHS
from training.networks.unet import UNet


@pytest.fixture
def checkpoint(network: UNet, tmp_path: Path) -> Path:
    """A checkpoint as training.train writes it, as far as export reads it."""
    path = tmp_path / "best.pt"
    contract = Contract(size=64, threshold=0.4, provenance={"arch": "attunet"})
    config = {"arch": "attunet", "width": 4}
    entries = {"config": config, "contract": contract.to_json(), "weights": network.state_dict()}
    torch.save(entries, path)
    return path


def test_the_file_computes_the_network(
    checkpoint: Path, network: UNet, tmp_path: Path, rng: np.random.Generator
) -> None:
    target = tmp_path / "model.onnx"
    to_onnx(checkpoint, target)
    segmenter = Segmenter(target)
    for count in (1, 2, 5):  # the batch is free
        images = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
        with torch.no_grad():
            expected = torch.sigmoid(network(torch.from_numpy(images))).numpy()
        found = segmenter(images)
        assert found.dtype == np.float32 and found.shape == (count, 64, 64)
        assert np.abs(found - expected).max() < 1e-5


def test_the_written_file_keeps_the_interface(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    to_onnx(checkpoint, target)
    model = onnx.load(target)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version <= 8
    (image,), (probability,) = model.graph.input, model.graph.output
    assert (image.name, probability.name) == ("image", "probability")
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert probability.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    shape = image.type.tensor_type.shape.dim
    assert shape[0].dim_param and [side.dim_value for side in shape[1:]] == [64, 64, 3]
    contract = Contract.from_json({e.key: e.value for e in model.metadata_props}[METADATA_KEY])
    assert contract.size == 64 and contract.threshold == 0.4
    assert contract.provenance["arch"] == "attunet"
    assert len(contract.provenance["sha256"]) == 64


class SwappedColours(Deployable):
    """The classic fault: the deployed graph reads BGR."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(image.flip(3))


def test_swapped_colours_are_caught_and_nothing_is_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_model = build.build_model

    def build_wrongly(deployable: Deployable, contract: Contract) -> onnx.ModelProto:
        return build_model(SwappedColours(deployable.network), contract)

    monkeypatch.setattr(build, "build_model", build_wrongly)
    target = tmp_path / "out" / "model.onnx"
    with pytest.raises(ParityError, match="differs from the network"):
        to_onnx(checkpoint, target)
    assert not list(target.parent.iterdir())


def test_a_failed_export_leaves_the_earlier_file(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model.onnx"
    to_onnx(checkpoint, target)
    before = target.read_bytes()
    monkeypatch.setattr("export.verify.MAX_DIFFERENCE", 0.0)
    with pytest.raises(ParityError):
        to_onnx(checkpoint, target)
    assert target.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"best.pt", "model.onnx"}


@pytest.mark.parametrize("arch", ARCHS.values())
def test_public_checkpoints_give_the_references_function(
    arch: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    torch.manual_seed(2)
    reference = ReferenceNetwork(arch, 2)
    for _ in range(3):
        reference(torch.randn(2, 3, 32, 32))
    reference.eval()
    weights = {f"module.{key}": value for key, value in reference.state_dict().items()}
    source, target = tmp_path / "theirs.pkl", tmp_path / "model.onnx"
    torch.save(weights, source)
    to_onnx(source, target, arch=arch)
    segmenter = Segmenter(target)
    assert segmenter.contract.size == 224 and segmenter.contract.provenance["arch"] == arch
    images = rng.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    normalised = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        expected = torch.sigmoid(reference(normalised))[:, 0].numpy()
    assert expected.std() > 1e-3
    assert np.abs(segmenter(images) - expected).max() < 1e-4


def test_files_that_are_no_checkpoint_are_named(tmp_path: Path, checkpoint: Path) -> None:
    target = tmp_path / "model.onnx"
    other = tmp_path / "other.pt"
    with pytest.raises(InputError, match="no such checkpoint"):
        to_onnx(other, target)
    other.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        to_onnx(other, target)
    torch.save({"state": torch.zeros(1)}, other)
    with pytest.raises(InputError, match="neither a checkpoint"):
        to_onnx(other, target)
    torch.save(torch.zeros(1), other)
    with pytest.raises(InputError, match="holds a Tensor"):
        to_onnx(other, target)
    with pytest.raises(InputError, match=r"must end in \.onnx"):
        to_onnx(checkpoint, tmp_path / "model.om")
    with pytest.raises(InputError, match="has a name that is not UTF-8; rename it"):
        to_onnx(checkpoint, tmp_path / os.fsdecode(b"z\xe4.onnx"))
    with pytest.raises(InputError, match=r"best\.pt is a file, not a folder; give another name"):
        to_onnx(checkpoint, checkpoint / "model.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match=r"folder\.onnx: is a folder; give the name of a file"):
        to_onnx(checkpoint, tmp_path / "folder.onnx")
    with pytest.raises(InputError, match="--arch unet"):
        to_onnx(checkpoint, target, arch="unet")
    assert not target.exists()
