"""The probability at the image's own size as a grey PNG of 8 bits, 0 to 255."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.images.write import write_image
from inference.masks.formats.format import Format, Segmented
from inference.masks.postprocess import stretch


def write(lesion: Segmented, path: Path) -> None:
    probability = stretch(lesion.probability, lesion.height, lesion.width)
    write_image(path, np.rint(255 * probability).astype(np.uint8))


PROBABILITY = Format("probability", "_probability.png", "0 to 255", write)
