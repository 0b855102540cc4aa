"""Synthetic lesions and a small model, made once for all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Threads cost networks as small as those of the tests more than they save; on a busy machine, minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch, and for processes that tests start

import numpy as np
import onnx
import pytest
import torch

from export.build import build_model
from export.graph import Deployable
from export.onnx_file import replace_contract
from inference.contract import Contract
from training.networks.unet import UNet
from training.prepare import prepare
from training.synthesize import synthesize

SIZE = 64


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 synthetic images and masks, 96 x 128, in the challenge's folders."""
    folder = tmp_path_factory.mktemp("raw")
    synthesize(folder, images=30, height=96, width=128)
    return folder


@pytest.fixture(scope="session")
def data(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images, prepared: 21 for training, 3 for validation, 6 for test, cached at 64 x 64."""
    folder = tmp_path_factory.mktemp("data")
    assert prepare(raw, folder, size=SIZE) == 0
    return folder


@pytest.fixture(scope="session")
def network() -> UNet:
    """A narrow attention U-Net with random weights; its masks are neither empty nor full."""
    torch.manual_seed(0)
    network = UNet("attunet", 4)
    images = torch.randint(0, 256, (8, SIZE, SIZE, 3), dtype=torch.uint8)
    for _ in range(20):  # running statistics of the normalisation layers
        network(images)
    network.eval()
    with torch.no_grad():
        network.head.bias -= network(images).median()
        network.head.weight *= 20
        network.head.bias *= 20
    return network


@pytest.fixture(scope="session")
def model(network: UNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That network, exported."""
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(build_model(Deployable(network), Contract(size=SIZE)), path)
    return path


@pytest.fixture(scope="session")
def fitted(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same file, whose contract says how far outlines can be trusted."""
    path = tmp_path_factory.mktemp("fitted") / "model.onnx"
    entries = {
        "confidence": (-3.0, -1.7, 0.2),
        "check_below": 0.8,
        "strangeness": (3.6, -2.0, 1.4, -4.2, 7.8),
    }
    replace_contract(model, entries, path)
    return path


@pytest.fixture(scope="session")
def isic() -> Path:
    """The real ISIC 2018 Task 1 images and masks, in LESION_DATA/isic2018."""
    folder = Path(os.environ.get("LESION_DATA", "")) / "isic2018"
    if "LESION_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("no real images: LESION_DATA does not name a folder that holds isic2018")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
