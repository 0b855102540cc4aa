"""Inference speed: images to masks, beside its bounds (model alone, decoding alone) and a plain loop.

python -m tests.benchmarks.throughput IMAGES --model model.onnx --checkpoint best.pt --enlarge 200

Decoding and the model share the cores, so the pipeline's bound is 1 / (1 / decoding + 1 / model), "both
in turn" in the figures, each measured with all cores to itself. What it loses against that is spent on
masks, files and the hand-over. Which of the two takes longer depends on the size of the photographs: it
is named as the bottleneck, and each size is measured alone, besides the mix of all.

Medians of interleaved runs; only the ratios matter. On a busy machine images/s say little; "core ms",
the CPU time per image over all cores, says more. The plain loop does better by it than by images/s,
since cores that it leaves idle do not count.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import torch
import tyro
from PIL import Image, ImageOps

from inference.cli import run
from inference.images.folders import list_images
from inference.images.pixels import read_image, read_resized
from inference.images.write import write_image
from inference.machine import usable_cores
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter
from inference.runtime.stream import map_ahead, segment_files
from tests.benchmarks.report import JsonFile, report
from training.networks.unet import UNet
from training.weights import open_network

SIZES = ((1022, 767), (3008, 2000), (6000, 4000))  # of ISIC's photos, width and height
GRAIN = 6  # levels of sensor noise, so that enlarged photos are no easier to decode than real ones


def measure_throughput(
    images: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")],
    model: Path,
    checkpoint: Path | None = None,
    enlarge: int = 0,
    batch_size: int = 8,
    threads: int = 0,
    repeats: int = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure the pipeline from image files to mask files.

    Args:
        images: Folder of images.
        model: Model file.
        checkpoint: The same network, for a plain loop: Pillow, PyTorch, one image at a time.
        enlarge: First enlarge this many images to the sizes of ISIC's photographs, in turn.
        batch_size: As in inference.segment.
        threads: As in inference.segment.
        repeats: Runs of each.
    """
    threads = threads or usable_cores()
    segmenter = Segmenter(model, threads)
    network = open_network(checkpoint)[0] if checkpoint else None
    torch.set_num_threads(threads)
    infer_only(segmenter, batch_size, batch_size)  # warms up: some runtimes compile here
    with tempfile.TemporaryDirectory() as folder:
        cases = {"as given": list_images(images)}
        if enlarge:
            cases = enlarge_photos(cases["as given"][:enlarge], Path(folder, "photos"))
        masks = Path(folder, "masks")
        figures = {
            "model": f"{model.name} on {segmenter.provider}, batches of {batch_size}, {threads} threads",
            "cases": {
                name: measure_case(segmenter, network, paths, masks, batch_size, threads, repeats)
                for name, paths in cases.items()
            },
        }
    report(json.dumps(figures, indent=2), figures, json_file)


def enlarge_photos(paths: list[Path], folder: Path) -> dict[str, list[Path]]:
    """Writes photos enlarged to SIZES by turns, as JPEG of quality 92; lists them by size, then all."""
    rng = np.random.default_rng(0)
    made: dict[str, list[Path]] = {f"{width} x {height}": [] for width, height in SIZES}
    mixed = []
    for number, path in enumerate(paths):
        width, height = SIZES[number % len(SIZES)]
        mixed.append(folder / f"{path.stem}.jpg")
        write_image(mixed[-1], enlarge_photo(path, width, height, rng))
        made[f"{width} x {height}"].append(mixed[-1])
    return {**made, "mixed": mixed}


def enlarge_photo(path: Path, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """An image enlarged, with the noise of a sensor: (height, width, 3) uint8 RGB."""
    large = cv2.resize(read_image(path), (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(-GRAIN, GRAIN + 1, (height, width, 1), np.int16)
    return np.clip(large + noise, 0, 255).astype(np.uint8)


class Speed(NamedTuple):
    """Images per second, and CPU milliseconds per image over all cores."""

    fps: float
    core_ms: float


def measure_case(
    segmenter: Segmenter,
    network: UNet | None,
    paths: list[Path],
    masks: Path,
    batch_size: int,
    threads: int,
    repeats: int,
) -> dict[str, Any]:
    """The figures of one case."""
    measured: dict[str, Callable[[], int]] = {
        "end to end": lambda: stream_files(segmenter, paths, masks, batch_size, threads),
        "model alone": lambda: infer_only(segmenter, len(paths), batch_size),
        "decoding alone": lambda: decode_only(segmenter, paths, threads),
    }
    if network:
        measured["plain loop"] = lambda: plain_loop(network, segmenter, paths, masks)
    speeds = time_all(measured, repeats)
    model, decoding = speeds["model alone"], speeds["decoding alone"]
    speeds["both in turn"] = Speed(
        1 / (1 / model.fps + 1 / decoding.fps), model.core_ms + decoding.core_ms
    )
    whole = speeds["end to end"]
    return {
        "images": len(paths),
        "bottleneck": "model" if model.core_ms > decoding.core_ms else "decoding",
        "fps": {name: round(speed.fps, 2) for name, speed in speeds.items()},
        "core ms": {name: round(speed.core_ms, 2) for name, speed in speeds.items()},
        "end to end against, by fps": {
            name: round(whole.fps / speed.fps, 3) for name, speed in speeds.items()
        },
        "end to end against, by core ms": {
            name: round(speed.core_ms / whole.core_ms, 3) for name, speed in speeds.items()
        },
    }


def time_all(measured: dict[str, Callable[[], int]], repeats: int) -> dict[str, Speed]:
    """The speed of each, the median of interleaved runs."""
    runs: dict[str, list[Speed]] = {name: [] for name in measured}
    for _ in range(repeats):
        for name, go in measured.items():
            start, start_cores = time.perf_counter(), time.process_time()
            images = go()
            seconds, cores = time.perf_counter() - start, time.process_time() - start_cores
            runs[name].append(Speed(images / seconds, 1000 * cores / images))
    return {name: Speed(*map(statistics.median, zip(*each))) for name, each in runs.items()}


def stream_files(
    segmenter: Segmenter, paths: list[Path], masks: Path, batch_size: int, threads: int
) -> int:
    """Files to cleaned masks on disk, as inference.segment does it."""

    def finish(lesion: Segmentation) -> None:
        assert isinstance(lesion.source, Path)
        cleaned = lesion.cut(largest_region=True, fill_holes=True)
        cleaned.save(masks / f"{lesion.source.stem}.png")

    results = list(segment_files(segmenter, paths, finish, batch_size, threads))
    assert not any(results), results  # failures
    return len(results)


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
    run(measure_throughput)
