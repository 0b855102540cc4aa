"""The model that ships, the default of all commands; its card is attunet_lite0.md."""

import csv
from pathlib import Path

# float32 gives the same masks on every processor; INT8 has the same weights and is faster on CPUs.
SHIPPED = Path(__file__).with_name("attunet_lite0.onnx")
SHIPPED_INT8 = SHIPPED.with_name("attunet_lite0-int8.onnx")
SPLITS = SHIPPED.with_suffix(
    ".splits.csv"
)  # name,split of all images of its data: ISIC 2018 Task 1


def read_splits() -> dict[str, str]:
    """The split of each image of the model's data, by name: train, valid or test.

    It was trained on train and chosen on valid; of any other name nothing is known.
    """
    with SPLITS.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return {row["name"]: row["split"] for row in csv.DictReader(file)}


def read_test_split() -> set[str]:
    """Names of the images that the model was neither trained nor chosen on."""
    return {name for name, split in read_splits().items() if split == "test"}
