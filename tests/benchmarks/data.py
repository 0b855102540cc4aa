"""Data loading: images/s of our batches and of the reference's loader.

    python -m tests.benchmarks.data
    python -m tests.benchmarks.data --images ISIC2018_Task1-2_Training_Input

The reference's loader opens the original files in every epoch (PIL), resizes, rotates, crops and jitters
them, and makes float tensors. Ours reads the cache that training.prepare wrote once.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from inference.cli import run
from inference.images.folders import list_images
from inference.images.pixels import read_image, resize
from inference.machine import usable_cores
from tests.benchmarks.report import JsonFile, describe_machine, report
from training.config import make_config
from training.data.batches import Batches
from training.data.cache import Split
from training.synthesize import make_lesion

BATCH = 16
CACHED = 1024  # images in the cache: 200 MB at 224


def measure_loaders(
    images: Path | None = None,
    files: int = 12,
    width: int = 3008,
    height: int = 2000,
    size: int = 224,
    rounds: int = 5,
    json_file: JsonFile = None,
) -> None:
    """Compare our data loading with the reference's: images/s, medians of interleaved rounds.

    Args:
        images: Folder of original images; synthetic ones of --width x --height if left out.
        files: Images to use.
        width: Width of synthetic images in pixels.
        height: Height of synthetic images in pixels; 3008 x 2000 is common in ISIC 2018.
        size: Side of the network's input in pixels.
        rounds: Measurements of each loader.
    """
    cores = usable_cores()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        originals = list_images(images)[:files] if images else []
        originals = originals or make_files(Path(folder), files, (height, width))
        megabytes = sum(path.stat().st_size for path in originals) / len(originals) / 1e6
        pairs = [(path, make_mask(Path(folder), path)) for path in originals]
        split = make_split(Path(folder), originals, size)
        contestants: dict[str, Callable[[], float]] = {
            "reference loader, 1 core": lambda: time_plain(pairs, size),
            "ours, reference augmentation, 1 core": lambda: time_ours(split, "reference", 1),
            "ours, strong augmentation, 1 core": lambda: time_ours(split, "strong", 1),
            f"ours, reference augmentation, {cores} cores": lambda: time_ours(
                split, "reference", cores
            ),
            f"ours, strong augmentation, {cores} cores": lambda: time_ours(split, "strong", cores),
        }
        speeds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, measure in contestants.items():
                speeds[name].append(measure())
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    plain, ours, *_ = medians.values()
    lines = [
        f"{len(originals)} files of {megabytes:.1f} MB, to {size} x {size}; {describe_machine()}",
        *(f"{name:45} {speed:9.1f} images/s" for name, speed in medians.items()),
        f"{'ours / reference loader, per core':45} {ours / plain:9.1f} times",
    ]
    report("\n".join(lines), medians, json_file)


def make_files(folder: Path, count: int, shape: tuple[int, int]) -> list[Path]:
    """Writes synthetic photographs of a camera's size, with its noise."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small, _ = make_lesion(rng, 400, 600)
        image = cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)
        image += rng.normal(0, 6, image.shape[:2]).astype(np.float32)[..., None]
        paths.append(folder / f"{number}.jpg")
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        cv2.imwrite(str(paths[-1]), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return paths


def make_mask(folder: Path, image: Path) -> Path:
    """Writes a mask of an image's size as the challenge does: grey PNG, 255 where the image is dark."""
    dark = cv2.GaussianBlur(read_image(image)[..., 1], (0, 0), 8) < 128
    path = folder / f"{image.stem}_segmentation.png"
    cv2.imwrite(str(path), dark.astype(np.uint8) * 255)
    return path


def make_split(folder: Path, originals: list[Path], size: int) -> Split:
    """A cache as training.prepare makes it: memory-mapped files. An image's mask is where it is dark."""
    small = [resize(read_image(path), size) for path in originals]
    images = np.stack([small[i % len(small)] for i in range(CACHED)])
    paths = folder / "images.npy", folder / "masks.npy"
    np.save(paths[0], images)
    np.save(paths[1], (images[..., 1] < 128).astype(np.uint8))
    arrays = [np.load(path, mmap_mode="r") for path in paths]
    return Split([str(i) for i in range(CACHED)], *arrays)


def time_ours(split: Split, augmentation: str, workers: int) -> float:
    """Images/s of an epoch of ours."""
    changes: Any = {"augmentation": augmentation, "workers": workers, "batch_size": BATCH}
    batches = Batches(split, make_config(Path(), **changes), 0, 1)
    began = time.perf_counter()
    images = sum(len(images) for images, _ in batches(0))
    return images / (time.perf_counter() - began)


def time_plain(pairs: list[tuple[Path, Path]], size: int) -> float:
    """Images/s of the reference's loader."""
    began = time.perf_counter()
    images = sum(len(images) for images, _ in load_plainly(pairs, size))
    return images / (time.perf_counter() - began)


def load_plainly(pairs: list[tuple[Path, Path]], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What the reference's loader does, in PIL and torch.

    Yields:
        (B, 3, S, S) float images and (B, 1, S, S) float masks.
    """
    from PIL import Image, ImageEnhance

    rng = np.random.default_rng(0)

    def to_tensor(picture: Any) -> Tensor:
        array = np.array(picture.resize((size, size), Image.Resampling.BILINEAR))
        array = array.reshape(size, size, -1)
        return torch.from_numpy(array).permute(2, 0, 1).float().div(255).contiguous()

    def move(picture: Any, scaled: int, quarter: int, angle: int, crop: int) -> Any:
        height = scaled * picture.height // picture.width
        picture = picture.resize((scaled, height), Image.Resampling.BILINEAR)
        if not crop:
            return picture
        picture = picture.rotate(90 * quarter, Image.Resampling.NEAREST).rotate(angle)
        left, upper = (picture.width - crop) // 2, (picture.height - crop) // 2
        return picture.crop((left, upper, left + crop, upper + crop))

    batch = []
    for paths in pairs:
        changed = rng.random() <= 0.4
        scaled, quarter, angle = rng.integers(300, 321), rng.integers(4), rng.integers(-10, 11)
        crop = int(rng.integers(250, 271)) if changed else 0
        image, mask = (
            move(Image.open(path), int(scaled), int(quarter), int(angle), crop) for path in paths
        )
        if changed:
            image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2))
            image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.8, 1.2))
            hue, *others = image.convert("HSV").split()
            hue = hue.point([(level + 3) % 256 for level in range(256)])
            image = Image.merge("HSV", (hue, *others)).convert("RGB")
        batch.append(((to_tensor(image) - 0.5) / 0.5, to_tensor(mask)))
        if len(batch) == BATCH or paths == pairs[-1]:
            images, masks = zip(*batch)
            yield torch.stack(images), torch.stack(masks)
            batch = []


if __name__ == "__main__":
    run(measure_loaders)
