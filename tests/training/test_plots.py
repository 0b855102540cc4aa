from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inference.scoring.metrics import METRICS, count
from training.data.cache import open_split
from training.device import Runtime
from training.networks.unet import UNet
from training.plots import COLUMNS, choose_rows, draw_curves, draw_overlays


def test_overlays_show_best_median_and_worst(dataset: Path, tmp_path: Path) -> None:
    jaccard = np.arange(100) / 100
    rows = choose_rows(jaccard)
    assert rows[0] == 99 and rows[-1] == 0 and 49 in rows[COLUMNS : 2 * COLUMNS]
    assert len(choose_rows(jaccard[:2])) == 6

    split = open_split(dataset, "valid", 32)
    counts = count(np.array(split.masks), np.array(split.masks))
    path = tmp_path / "overlays.jpg"
    draw_overlays(path, UNet("unet", 2), split, counts, Runtime("cpu"), 0.5)
    sheet = cv2.imread(str(path))
    assert sheet is not None and sheet.shape == (3 * 192, 5 * 192, 3)


def test_curves_of_one_epoch_are_drawn(tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", [{"epoch": 0, "loss": 1.0, **dict.fromkeys(METRICS, 0.5)}])
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
