"""Makes up dermoscopic images with exact masks, to try everything without a download.

    python -m training.synthesize DATA --images 60

A good score on made-up images shows that the code works, nothing more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from inference.cli import run, track
from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.write import write_image
from training.synthetic.lesion import make_lesion

IMAGES = "ISIC2018_Task1-2_Training_Input"
MASKS = "ISIC2018_Task1_Training_GroundTruth"
MIN_SIDE = 64  # pixels

Count = Annotated[int, tyro.conf.arg(metavar="N")]


def synthesize(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
    images: Count = 60,
    seed: Count = 0,
    height: Count = 384,
    width: Count = 512,
) -> None:
    """Write synthetic images and masks into a folder, laid out as in the ISIC 2018 challenge, Task 1.

    Args:
        folder: Folder for synthetic images only; existing ones of the same name are overwritten.
        images: Number of images; a larger number adds images and keeps the first ones the same.
        seed: Random seed; a different seed makes different images.
        height: Height of each image in pixels, at least 64.
        width: Width of each image in pixels, at least 64.

    Raises:
        InputError: a number is too small, or `folder` holds other images.
    """
    if images < 1:
        raise InputError(f"--images {images}: must be at least 1; give more")
    if seed < 0:
        raise InputError(f"--seed {seed}: must be at least 0; give another")
    if min(height, width) < MIN_SIDE:
        raise InputError(
            f"--height {height} --width {width}: must be at least {MIN_SIDE} each; give more"
        )
    names = [f"SYNTH_{number:07}" for number in range(images)]
    image_paths = [folder / IMAGES / f"{name}.jpg" for name in names]
    mask_paths = [folder / MASKS / f"{name}_segmentation.png" for name in names]
    present = list_images(folder) if folder.is_dir() else []
    others = sorted(set(present).difference(image_paths, mask_paths))
    if others:
        raise InputError(
            f"{folder}: holds {len(others)} other image(s), such as {others[0]}; synthetic "
            "images are kept apart from all others: give a new folder"
        )
    for number in track(range(images), "drawing", images):
        image, mask = make_lesion(np.random.default_rng([seed, number]), height, width)
        write_image(image_paths[number], image)
        write_image(mask_paths[number], mask)


if __name__ == "__main__":
    run(synthesize)
