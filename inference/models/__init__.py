"""The model that ships, the default of all commands; its card is attunet_lite0.md."""

import csv
from pathlib import Path

# float32 gives the same masks on every processor; INT8 has the same weights and is faster on CPUs.
SHIPPED = Path(__file__).with_name("attunet_lite0.onnx")
SHIPPED_INT8 = SHIPPED.with_name("attunet_lite0-int8.onnx")
HELD_OUT = SHIPPED.with_suffix(".held-out.csv")  # name,split of the images it was not trained on


def read_held_out(split: str) -> set[str]:
    """Names of the images in a split, valid or test, that the model was not trained on."""
    with HELD_OUT.open(newline="", encoding="utf-8") as file:
        return {row["name"] for row in csv.DictReader(file) if row["split"] == split}
