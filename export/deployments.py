"""Ways to deploy one checkpoint: input size, threshold, clean-up and test-time augmentation, scored."""

from __future__ import annotations

import tempfile
from pathlib import Path

from export.build import export_model
from export.source import AS_TRAINED, ContractChanges
from inference.images.mask_levels import MaskLevels
from inference.markdown import tabulate
from inference.runtime.segmenter import Segmenter
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs

COLUMNS = ("accuracy", "dice", "jaccard", "thresholded_jaccard", "failure_rate")
SIZES = (96, 128, 160, 192, 224, 256)
TTA = "test-time augmentation"
DEPLOYMENTS = {
    "as trained": AS_TRAINED,
    **{f"{size} x {size}": ContractChanges(size=size) for size in SIZES},
    "threshold 0.4": ContractChanges(threshold=0.4),
    "threshold 0.6": ContractChanges(threshold=0.6),
    "largest region": ContractChanges(largest_region=True),
    "largest region, holes filled": ContractChanges(largest_region=True, fill_holes=True),
    TTA: AS_TRAINED,
}


def tabulate_deployments(
    checkpoint: Path, pairs: Pairs, threads: int, mask_levels: MaskLevels | None = None
) -> str:
    """Scores every deployment of a checkpoint on the pairs: a Markdown table, a row for each.

    Raises:
        InputError: the checkpoint cannot be opened, or an image or mask cannot be read.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, changes in DEPLOYMENTS.items():
            path = Path(folder, "model.onnx")
            export_model(checkpoint, path, changes=changes)
            model = Segmenter(path, threads, "cpu", tta=name == TTA)
            scores = score_model(model, pairs, threads, mask_levels)
            rows.append([name, *(f"{scores[column]:.4f}" for column in COLUMNS)])
    headings = [f"{len(pairs)} images", *(column.replace("_", " ") for column in COLUMNS)]
    return tabulate(headings, rows)
