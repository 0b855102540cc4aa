"""Segments images: one mask per image, at the image's own size.

python -m inference.segment images/
python -m inference.segment images/ --model model.onnx --output masks --save mask overlay csv
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from inference.batch.job import Job, Saved
from inference.batch.writer import Writer
from inference.cli import run
from inference.errors import InputError
from inference.machine import usable_cores
from inference.models import SHIPPED
from inference.runtime.session import Provider
from inference.runtime.stream import Stopwatch, segment_images
from inference.runtime.tta import Looks


def segment(
    images: Annotated[list[str], tyro.conf.Positional],
    model: Path = SHIPPED,
    output: Path = Path("masks"),
    save: tuple[Saved, ...] = ("mask",),
    batch_size: int = 8,
    threads: int = 0,
    provider: Provider = "auto",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    resume: bool = False,
    shard: str = "1/1",
    mm_per_pixel: float | None = None,
    looks: Annotated[Looks, tyro.conf.OmitArgPrefixes] = Looks(),  # noqa: B008  # frozen
) -> int:
    """Segment images with an exported model: one mask per image, at the image's own size.

    Exit code: 0 if every image was segmented, 1 if some could not be (errors.csv names them; all others
    are done), 2 for bad input, 130 for Ctrl-C.

    Args:
        images: Files, folders (searched to the bottom), patterns such as "photos/*.jpg", .zip archives,
            videos, http and https addresses, .txt files with one of these a line, - for such a list on
            stdin.
        model: Model file, as `make export` writes it; the one that ships if left out.
        output: Folder for what is saved, in the input's tree of folders, and for masks.csv and
            errors.csv.
        save: What to write of each image, at its own size: mask (NAME_segmentation.png, 8 bits, 0 or
            255); overlay (NAME_overlay.jpg, the outline on the image); contour (NAME_contour.png, the
            outline alone); rle (NAME_rle.json, COCO's); geojson (NAME.geojson, polygons);
            probability (NAME_probability.png, 0 to 255). Of all: csv (measures.csv); sheet (sheet.jpg,
            the first 24 overlays on one page); report (report.html, the first 200).
        batch_size: Images computed at once; it changes the speed, not the masks.
        threads: Cores to use; 0 is all of them.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann; auto is the fastest that is there.
        json_file: Where to write a summary (images, errors, seconds, fps, seconds of each stage).
        resume: Go on where an earlier run into the same folder stopped: what is finished and whole
            stays. Without --shard it also gathers what shards have done into one masks.csv.
        shard: i/n: segment every n-th image, from the i-th on, so that n processes or machines do all.
        mm_per_pixel: Size of a pixel, if it is known: adds sizes in mm to measures.csv.
        looks: How often an image is looked at.
    """
    if batch_size < 1 or threads < 0:
        raise InputError(
            f"--batch-size {batch_size} --threads {threads}: at least 1 and 0; leave them out"
        )
    threads = threads or usable_cores()
    opened = looks.open(model, threads, provider)
    settings = looks.describe(model, opened)
    job = Job(images, output, save, settings, resume, shard, mm_per_pixel)
    writer = Writer(opened.contract, output, job.stems, job.kinds)
    watch = Stopwatch()
    results = segment_images(opened, job.waiting, writer, batch_size, threads, watch)
    return job.run(zip(job.waiting, results, strict=True), threads, watch.seconds, json_file)


if __name__ == "__main__":
    run(segment)
