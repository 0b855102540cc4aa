"""The whole line: a short training, export, segmentation; the masks are torch's."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import torch

from export.to_onnx import to_onnx
from inference.batch.options import SegmentOptions
from inference.images.pixels import read_image, resize
from inference.masks.postprocess import make_mask
from inference.segment import segment
from training import checkpoint
from training.config import TrainConfig
from training.train import train
from training.weights import open_network


def test_masks_are_those_of_the_trained_network(data: Path, tmp_path: Path) -> None:
    run, model, masks = tmp_path / "run", tmp_path / "model.onnx", tmp_path / "masks"
    train(TrainConfig(data=data, out=run, width=4, size=64, epochs=3, batch_size=2))

    trained = checkpoint.load(run / "best.pt")
    network, contract = open_network(run / "best.pt")
    images = {path.stem: read_image(path) for path in (data / "test").iterdir()}
    batch = np.stack([resize(image, contract.size) for image in images.values()])
    with torch.no_grad():
        probabilities = torch.sigmoid(network(torch.from_numpy(batch))).numpy()
    # So short a training leaves the probabilities close together: cut them in the middle.
    contract = dataclasses.replace(contract, threshold=float(np.median(probabilities)))
    checkpoint.save(run / "cut.pt", {**trained, "contract": contract.to_json()})

    to_onnx(run / "cut.pt", model)
    assert segment([str(data / "test")], SegmentOptions(model, masks)) == 0
    for (name, image), probability in zip(images.items(), probabilities):
        expected = make_mask(probability, *image.shape[:2], contract)
        written = cv2.imread(str(masks / f"{name}_segmentation.png"), cv2.IMREAD_UNCHANGED)
        assert written is not None and written.dtype == np.uint8
        assert set(np.unique(written)) == {0, 255}
        assert np.count_nonzero((written > 0) != expected) <= 5e-4 * expected.size
