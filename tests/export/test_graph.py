from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.build import build_model
from export.graph import Deployable, Graph, PhaseConv, count_gflop, fold_norms, rewrite
from export.onnx_file import read_onnx_file
from export.to_onnx import to_onnx
from export.winograd import WinogradConv, WinogradUpConv
from inference.contract import Contract
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter
from training.networks.blocks import UpConv, conv_norm_relu
from training.networks.unet import NETWORKS, UNet

# Operators that onnxruntime, OpenVINO and ATC all read.
ALLOWED = {
    *(
        "Conv",
        "ConvTranspose",
        "Relu",
        "Sigmoid",
        "Mul",
        "Add",
        "Concat",
        "MaxPool",
        "DepthToSpace",
    ),
    *("Resize", "Cast", "Transpose", "Squeeze", "Constant"),
}


def settle(network: nn.Module) -> nn.Module:
    """Gives the norms statistics and weights of their own, as training does; evaluation mode."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def make_network(arch: str, mean: float = 0.5) -> UNet:
    torch.manual_seed(0)
    network = UNet(arch, 4, mean=(mean, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    settle(network)
    return network


@pytest.mark.parametrize(("height", "width"), [(2, 2), (1, 3), (7, 4)])
def test_phases_are_upsampling_and_convolution_to_the_border(height: int, width: int) -> None:
    torch.manual_seed(0)
    up = settle(UpConv(3, 5)).double()
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    with torch.no_grad():
        expected = up(x)
        fold_norms(up)
        phases = PhaseConv(up[1][0]).double()
        found = phases(x)
        for weight in phases.weights:  # what is equal must not be so by being nought
            assert weight.abs().min() > 0
    assert found.shape == (2, 5, 2 * height, 2 * width)
    # The summed taps are stored in float32; nothing else separates the two.
    assert (found - expected).abs().max() < 1e-6 < expected.abs().max()


@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 6), (14, 2)])
def test_winograd_is_convolution_to_the_border(height: int, width: int) -> None:
    torch.manual_seed(0)
    unit = settle(conv_norm_relu(3, 5))
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    with torch.no_grad():
        expected = unit.double()(x)
        fold_norms(unit)
        found = WinogradConv(unit[0]).double()(x)
    assert found.shape == expected.shape and expected.max() > 0.1
    assert (found - expected).abs().max() < 1e-6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 4)])
def test_winograd_is_upsampling_and_convolution_to_the_border(height: int, width: int) -> None:
    torch.manual_seed(0)
    up = settle(UpConv(3, 5)).double()
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    with torch.no_grad():
        expected = up(x)
        fold_norms(up)
        found = WinogradUpConv(up[1][0]).double()(x)
    assert found.shape == expected.shape and expected.max() > 0.1
    assert (found - expected).abs().max() < 1e-6


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.parametrize("graph", ["phases", "winograd"])
def test_a_rewritten_network_is_the_same_function(
    arch: str, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.graph.WINOGRAD_CHANNELS", 8)  # half of this network's levels
    network = make_network(arch)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    size = 3 * network.encoder.stride  # the deepest maps have the odd side 3
    rewritten = rewrite(network, graph, size)
    kinds = {type(module) for module in rewritten.modules()}
    fast = {WinogradConv, WinogradUpConv}
    assert fast <= kinds if graph == "winograd" else not fast & kinds
    images = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = network(images)
        assert (rewritten(images) - expected).abs().max() < 2e-5 * expected.abs().max()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in rewritten.modules())
    assert not rewritten.training
    after = network.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)


def test_weights_shared_over_time_stay_shared() -> None:
    unit = rewrite(make_network("r2unet"), "phases", 64).encoder[0].get_submodule("recur.0")
    convolutions = [module for module in unit.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 1


@pytest.mark.parametrize("arch", NETWORKS)
def test_the_written_file_holds_known_operators_alone(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    network = make_network(arch)
    onnx.save(build_model(Deployable(rewrite(network, "phases", 64)), Contract(size=32)), path)
    model = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version <= 8
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators.keys() <= ALLOWED
    assert operators["DepthToSpace"] == (5 if "_lite" in arch else 4)
    assert operators["Cast"] == 1  # of the bytes
    shuffles = [node for node in model.graph.node if node.op_type == "DepthToSpace"]
    modes = {entry.s for node in shuffles for entry in node.attribute if entry.name == "mode"}
    assert modes == {b"DCR"}  # CRD is refused by older ATC
    assert not operators.keys() & {"Resize", "BatchNormalization", "Sub", "Div", "Pad", "Reshape"}


def test_export_arranges_the_graph_as_told(network: UNet, tmp_path: Path) -> None:
    source = tmp_path / "best.pt"
    entries = {"config": {"arch": "attunet", "width": 4}, "contract": Contract(size=64).to_json()}
    torch.save({**entries, "weights": network.state_dict()}, source)
    operators = {}
    for graph in get_args(Graph):
        target = tmp_path / f"{graph}.onnx"
        to_onnx(source, target, graph=graph)
        model, contract = onnx.load(target), Segmenter(target).contract
        assert contract.provenance["graph"] == graph
        operators[graph] = Counter(node.op_type for node in model.graph.node)
        assert operators[graph].keys() <= ALLOWED | {"Sub", "Div"}
    assert operators["plain"]["Resize"] == 4
    assert operators["phases"]["Conv"] == operators["plain"]["Conv"] + 12
    assert operators["winograd"].keys() <= ALLOWED - {"Resize"}
    with pytest.raises(InputError, match="without --graph"):
        read_onnx_file(tmp_path / "winograd.onnx")
    assert read_onnx_file(tmp_path / "phases.onnx")[1].size == 64


def test_deployed_networks_run_in_evaluation_mode() -> None:
    network = make_network("attunet").train()
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8))
    deployed = Deployable(rewrite(network, "phases", 64))
    with torch.no_grad():
        assert torch.allclose(deployed(images)[:1], deployed(images[:1]), atol=1e-6)


@pytest.mark.parametrize("arch", ["attunet", "r2unet"])
def test_arithmetic_is_counted_over_time_and_levels(arch: str) -> None:
    wide, narrow = (count_gflop(UNet(arch, width), 32) for width in (16, 8))
    assert 3.5 < wide / narrow < 4.0  # by the square of the width, but for the first and last layer
    assert count_gflop(UNet(arch, 8), 64) == pytest.approx(4 * narrow)
    if arch == "attunet":  # 101.7 at width 64 and 224 x 224, as counted by hand
        assert count_gflop(UNet(arch, 64), 32) * 49 == pytest.approx(101.7, abs=0.1)
