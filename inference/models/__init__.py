"""The model that ships, which segments unless another is named; its card is attunet_lite0.md."""

import csv
from pathlib import Path

SHIPPED = Path(__file__).with_name(
    "attunet_lite0.onnx"
)  # float32: the same masks on every processor
SHIPPED_INT8 = SHIPPED.with_name("attunet_lite0-int8.onnx")  # the same weights, faster on CPUs
HELD_OUT = SHIPPED.with_suffix(".held-out.csv")  # name,split of what it was not trained on


def read_held_out(split: str) -> set[str]:
    """Names of the images of a split, valid or test, that the model was not trained on."""
    with HELD_OUT.open(newline="", encoding="utf-8") as file:
        return {row["name"] for row in csv.DictReader(file) if row["split"] == split}
