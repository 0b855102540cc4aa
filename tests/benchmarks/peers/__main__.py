"""From a folder of JPEGs to mask files: ours, beside segmentation-models-pytorch, MONAI and ultralytics.

    python -m tests.benchmarks.peers IMAGES --python ~/peers/bin/python

The peers need torchvision, and so an environment of their own:

    python3 -m venv ~/peers
    ~/peers/bin/pip install torch torchvision onnx onnxruntime openvino
    ~/peers/bin/pip install segmentation-models-pytorch monai ultralytics

Each network runs in torch and through its exporters, at the input size of our model, in as many threads
and in the same batches. What cannot run there is named and left out. The peers' weights are random, so
only speed is compared. All take turns over the same photos; figures are medians of the rounds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE
from typing import Annotated, Any

import numpy as np
import tyro

from inference.cli import run, track
from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.write import write_image
from inference.machine import usable_cores
from inference.markdown import tabulate
from inference.models import SHIPPED, SHIPPED_INT8
from inference.runtime.segmenter import Segmenter
from tests.benchmarks.report import JsonFile, describe_machine, report
from tests.benchmarks.throughput import enlarge_photo, stream_files

PEERS = (
    "smp Unet resnet34",
    "smp Unet efficientnet_lite0",
    "MONAI AttentionUnet",
    "ultralytics yolo26n-sem",
)
ENGINES = ("torch", "onnxruntime", "openvino")
OURS = [(path, engine) for path in (SHIPPED, SHIPPED_INT8) for engine in ENGINES[1:]]
PROVIDERS = {"onnxruntime": "cpu", "openvino": "openvino"}
START = "import sys; sys.path.insert(0, sys.argv[1]); import contestant as c; c.main(*sys.argv[2:])"
WIDTH, HEIGHT = 1022, 767  # of the photos; most of ISIC 2018's are so or larger


def measure_peers(
    images: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")],
    python: Path = Path(sys.executable),
    count: int = 96,
    rounds: int = 5,
    threads: int = 0,
    batch_size: int = 8,
    contestant: tuple[Path, str, Path, Path] | None = None,
    json_file: JsonFile = None,
) -> None:
    """Compare how fast libraries turn a folder of JPEGs into mask files.

    Args:
        images: Folder of images, enlarged to 1022 x 767 with noise, as JPEG.
        python: Python of the environment that has the peers.
        count: Photos.
        rounds: Passes of each.
        threads: Cores that each may use; 0: all.
        batch_size: Images computed at once.
        contestant: Internal: be ours, MODEL ENGINE PHOTOS MASKS.
    """
    threads = threads or usable_cores()
    if contestant:
        take_turns(*contestant, threads, batch_size)
        return
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(images, count, Path(folder, "photos"))
        options = ["--threads", str(threads), "--batch-size", str(batch_size)]
        ours = [
            sys.executable,
            "-m",
            "tests.benchmarks.peers",
            str(images),
            *options,
            "--contestant",
        ]
        peers = [str(python), "-c", START, str(Path(__file__).parent)]
        size = str(Segmenter(SHIPPED).contract.size)
        commands = {
            (f"ours, {path.name}", engine): [*ours, str(path), engine] for path, engine in OURS
        }
        for name in PEERS:
            for engine in ENGINES:
                settings = (size, str(threads), str(batch_size))
                commands[name, engine] = [*peers, name, engine, *settings]
        workers, facts, missing = start_all(commands, photos, Path(folder))
        seconds = time_all(workers, rounds)
    rows = summarise(seconds, facts, count)
    figures = {"photos": f"{count} of {WIDTH} x {HEIGHT}", "input": int(size), "threads": threads,
               "rounds": rounds, "rows": rows, "missing": missing}  # fmt: skip
    report("\n".join([describe_machine(), show(rows), *missing]), figures, json_file)


def make_photos(images: Path, count: int, folder: Path) -> Path:
    """Writes images enlarged, with the noise of a sensor, as JPEG of quality 92."""
    given = list_images(images)
    if not given:
        raise InputError(f"{images}: holds no image; give a folder of images")
    rng = np.random.default_rng(0)
    for number in range(count):
        photo = enlarge_photo(given[number % len(given)], WIDTH, HEIGHT, rng)
        write_image(folder / f"{number:05}.jpg", photo)
    return folder


def take_turns(
    model: Path, engine: str, photos: Path, masks: Path, threads: int, batch_size: int
) -> None:
    """Ours: prints what it is, and then the seconds of a pass for each line on stdin."""
    segmenter = Segmenter(model, threads, PROVIDERS[engine])  # type: ignore[arg-type]
    paths = list_images(photos)
    stream_files(segmenter, paths[:16], masks, batch_size, threads)
    print(json.dumps({"MB": round(model.stat().st_size / 1e6, 1)}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        stream_files(segmenter, paths, masks, batch_size, threads)
        print(time.perf_counter() - start, flush=True)


Subject = tuple[str, str]  # a network, and the engine that runs it


def start_all(
    commands: dict[Subject, list[str]], photos: Path, folder: Path
) -> tuple[dict[Subject, subprocess.Popen], dict[Subject, dict[str, Any]], list[str]]:
    """Starts one process each: those that run, what they say of themselves, and a line for each other."""
    workers, facts, missing = {}, {}, []
    for number, (subject, command) in enumerate(track(commands.items(), "starting", len(commands))):
        masks = folder / f"masks-{number}"
        masks.mkdir()
        with (folder / f"log-{number}").open("w+", encoding="utf-8") as log:
            worker = subprocess.Popen(
                [*command, str(photos), str(masks)], stdin=PIPE, stdout=PIPE, stderr=log, text=True
            )
            assert worker.stdout
            if line := worker.stdout.readline():
                workers[subject], facts[subject] = worker, json.loads(line)
                continue
            worker.communicate()
            log.seek(0)
            reason = (log.read().strip().splitlines() or ["no answer"])[-1]
            missing.append(f"not run: {' in '.join(subject)}: {reason}")
    return workers, facts, missing


def time_all(workers: dict[Subject, subprocess.Popen], rounds: int) -> dict[Subject, list[float]]:
    """Seconds of each pass, by turns."""
    seconds: dict[Subject, list[float]] = {subject: [] for subject in workers}
    for _ in track(range(rounds), "measuring", rounds):
        for subject, worker in workers.items():
            assert worker.stdin and worker.stdout
            worker.stdin.write("\n")
            worker.stdin.flush()
            seconds[subject].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    return seconds


def summarise(
    seconds: dict[Subject, list[float]], facts: dict[Subject, dict[str, Any]], count: int
) -> list[dict[str, Any]]:
    """A row for each; `ratio` is to the speed of the first, our float32 file in onnxruntime."""
    fps = {subject: count / statistics.median(each) for subject, each in seconds.items()}
    base = next(iter(fps.values()))
    return [
        {
            "network": network,
            "engine": engine,
            **facts[network, engine],
            "fps": round(speed, 2),
            "ratio": round(speed / base, 3),
        }
        for (network, engine), speed in fps.items()
    ]


def show(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    cells = [
        [
            row["network"],
            row["engine"],
            row.get("MB") or "",
            f"{row['fps']:.1f}",
            f"{row['ratio']:.2f}",
        ]
        for row in rows
    ]
    return tabulate(("network", "engine", "MB", "images/s", "ratio"), cells, words=2)


if __name__ == "__main__":
    run(measure_peers)
