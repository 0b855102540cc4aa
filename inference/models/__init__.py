"""The model that ships, which segments unless another is named; its card is attunet16.md."""

from pathlib import Path

SHIPPED = Path(__file__).with_name("attunet16.onnx")  # float32: the same masks on every processor
SHIPPED_INT8 = SHIPPED.with_name("attunet16-int8.onnx")  # the same weights, faster on CPUs
HELD_OUT = SHIPPED.with_suffix(".held-out.csv")  # name,split of what it was not trained on
