"""How fast images become masks, beside what bounds it: the model alone, decoding alone, a plain loop.

python -m tests.benchmarks.throughput IMAGES --model model.onnx --checkpoint best.pt --enlarge 200

Medians of interleaved runs, so that a busy machine slows all of them alike; the ratios are what counts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import tyro
from PIL import Image, ImageOps
from rich.console import Console

from inference.command import run
from inference.files import list_images, replacing
from inference.masks import find_lesion
from inference.outputs import write_image, write_runs
from inference.pixels import read_image, read_resized
from inference.session import Segmenter
from inference.stream import Segmented, map_ahead, segment_images
from training import checkpoint as checkpoints
from training.model import UNet

SIZES = ((1022, 767), (3008, 2000), (6000, 4000))  # of ISIC's photos, width and height
GRAIN = 6  # levels of sensor noise, so that enlarged photos are no easier to decode than real ones


def measure(
    images: Annotated[Path, tyro.conf.Positional],
    model: Path,
    checkpoint: Path | None = None,
    enlarge: int = 0,
    batch_size: int = 8,
    threads: int = 0,
    repeats: int = 3,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Measure the stream from files to masks on disk.

    Args:
        images: Folder of images.
        model: Model file.
        checkpoint: The same network, for a plain loop: Pillow, torch, one image at a time.
        enlarge: Enlarge so many of the images to the sizes of ISIC's photos first, by turns.
        batch_size: As of inference.segment.
        threads: As of inference.segment.
        repeats: How often each is measured.
        json_file: Where to write the figures.
    """
    threads = threads or os.cpu_count() or 1
    segmenter = Segmenter(model, threads)
    with tempfile.TemporaryDirectory() as folder:
        paths = list_images(images)
        if enlarge:
            paths = enlarge_photos(paths[:enlarge], Path(folder, "photos"))
        masks = Path(folder, "masks")
        measured: dict[str, Callable[[], int]] = {
            "end to end": lambda: stream(segmenter, paths, masks, batch_size, threads),
            "model alone": lambda: infer_only(segmenter, len(paths), batch_size),
            "decoding alone": lambda: decode_only(segmenter, paths, threads),
        }
        if checkpoint:
            network, _ = checkpoints.open_network(checkpoints.load(checkpoint))
            network.eval()
            measured["plain loop"] = lambda: plain_loop(network, segmenter, paths, masks)
        rates = time_all(measured, repeats)
    figures = {
        "machine": f"{platform.processor() or platform.machine()}, {threads} threads",
        "images": len(paths),
        "fps": {name: round(rate, 2) for name, rate in rates.items()},
        "end to end against": {
            name: round(rates["end to end"] / rate, 3) for name, rate in rates.items()
        },
    }
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
    Console(soft_wrap=True).print_json(data=figures)


def enlarge_photos(paths: list[Path], folder: Path) -> list[Path]:
    """Writes photos enlarged to SIZES by turns, as JPEG of quality 92."""
    rng = np.random.default_rng(0)
    made = []
    for number, path in enumerate(paths):
        size = SIZES[number % len(SIZES)]
        large = cv2.resize(read_image(path), size, interpolation=cv2.INTER_CUBIC)
        noise = rng.integers(-GRAIN, GRAIN + 1, (*large.shape[:2], 1), np.int16)
        made.append(folder / f"{path.stem}.jpg")
        write_image(made[-1], np.clip(large + noise, 0, 255).astype(np.uint8))
    return made


def time_all(measured: dict[str, Callable[[], int]], repeats: int) -> dict[str, float]:
    """Images per second of each, the median of interleaved runs."""
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(repeats):
        for name, go in measured.items():
            start = time.perf_counter()
            rates[name].append(go() / (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in rates.items()}


def stream(
    segmenter: Segmenter, paths: list[Path], masks: Path, batch_size: int, threads: int
) -> int:
    """Files to cleaned masks on disk, as inference.segment does it."""
    contract = dataclasses.replace(segmenter.contract, largest_region=True, fill_holes=True)

    def finish(image: Segmented) -> None:
        assert isinstance(image.source, Path) and not image.error
        lesion = find_lesion(image.probability, image.height, image.width, contract)
        write_runs(masks / f"{image.source.stem}.png", lesion)

    return sum(1 for _ in segment_images(segmenter, paths, finish, batch_size, threads))


def infer_only(segmenter: Segmenter, images: int, batch_size: int) -> int:
    """The model on batches that lie in memory."""
    size = segmenter.contract.size
    batch = np.random.default_rng(0).integers(0, 256, (batch_size, size, size, 3), np.uint8)
    batches = max(1, min(images, 128) // batch_size)
    for _ in range(batches):
        segmenter(batch)
    return batches * batch_size


def decode_only(segmenter: Segmenter, paths: list[Path], threads: int) -> int:
    """Files to the model's input, on the same threads."""
    size = segmenter.contract.size
    with ThreadPoolExecutor(threads) as pool:
        decoded = map_ahead(pool, lambda path: read_resized(path, size), paths, 4 * threads)
        return sum(1 for _ in decoded)


@torch.no_grad()
def plain_loop(network: UNet, segmenter: Segmenter, paths: list[Path], masks: Path) -> int:
    """What one writes first: Pillow and torch, one image after the other."""
    size = segmenter.contract.size
    masks.mkdir(exist_ok=True)
    for path in paths:
        image = ImageOps.exif_transpose(Image.open(path).convert("RGB"))
        small = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        probability = torch.sigmoid(network(torch.from_numpy(small.copy())[None]))[0].numpy()
        stretched = Image.fromarray(probability).resize(image.size, Image.Resampling.BILINEAR)
        mask = np.asarray(stretched) > segmenter.contract.threshold
        Image.fromarray(mask.astype(np.uint8) * 255).save(masks / f"{path.stem}.png")
    return len(paths)


if __name__ == "__main__":
    run(measure)
