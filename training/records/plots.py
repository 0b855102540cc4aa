"""Pictures of a run: curves of its scores, and validation images with outlined masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from torch import Tensor, from_numpy, nn

from inference.files import replacing
from inference.images.write import write_image
from inference.masks.drawing import draw_outline, fit, make_sheet
from inference.scoring.metrics import score
from training.data.cache import Split
from training.device import Runtime
from training.validate import predict

TRUTH = (255, 255, 255)
COLUMNS = 6


def draw_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Draws loss and validation scores by epoch."""
    from matplotlib.figure import Figure  # half a second, for the first process alone

    figure = Figure(figsize=(10, 4), layout="constrained")  # no window, no global state
    axes = figure.subplots(1, 2)
    epochs = [row["epoch"] + 1 for row in rows]
    for axis, names in zip(axes, (("loss",), ("dice", "jaccard", "thresholded_jaccard"))):
        for name in names:
            axis.plot(epochs, [row[name] for row in rows], label=name.replace("_", " "))
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary)


def draw_overlays(
    path: Path,
    network: nn.Module,
    split: Split,
    counts: np.ndarray,
    runtime: Runtime,
    threshold: float,
) -> None:
    """Draws the images of a split with the best, median and worst scores, a row each.

    The ground truth is outlined in white, the prediction in green; the number is its Jaccard index.

    Args:
        counts: (images, 4) for this network and split, as `validate` returns them.
    """
    jaccard = score(counts)["jaccard"]
    rows = choose_rows(jaccard)
    images, masks = split.images[rows], split.masks[rows]
    predicted = predict(network, from_numpy(images), runtime) > threshold
    write_image(path, draw_sheet(images, masks, predicted, jaccard[rows]))


def choose_rows(jaccard: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """Indices of the best, the median and the worst values, best first: (3 * columns,) or fewer."""
    order = np.argsort(-jaccard, kind="stable")
    columns = min(columns, len(order))
    middle = (len(order) - columns) // 2
    return np.concatenate((order[:columns], order[middle : middle + columns], order[-columns:]))


def draw_sheet(
    images: np.ndarray, masks: np.ndarray, predicted: Tensor, jaccard: np.ndarray
) -> np.ndarray:
    """Outlines ground truth and prediction on (N, S, S, 3) uint8 images: a sheet of three rows."""
    cells = []
    for image, mask, found, value in zip(images, masks, predicted.cpu().numpy(), jaccard):
        cell = draw_outline(draw_outline(image, mask > 0, TRUTH), found)
        scale = len(cell) / 200
        spot = (round(4 * scale), round(18 * scale))
        for colour, width in (((0, 0, 0), 3), (TRUTH, 1)):
            thickness = max(1, round(width * scale))
            cv2.putText(
                cell, f"{value:.2f}", spot, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * scale, colour, thickness
            )
        cells.append(cell)
    return make_sheet([fit(cell) for cell in cells], len(cells) // 3)
