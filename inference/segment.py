"""Segments images: one mask per image, at the image's own size.

python -m inference.segment images/ --model model.onnx --output masks
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from inference.command import InputError, run, track
from inference.ensemble import Looks
from inference.files import replacing
from inference.finished import Finished
from inference.inputs import find_sources
from inference.naming import name_outputs
from inference.pixels import Source
from inference.products import Done, Failure, Product, Row, Writer
from inference.report import write_report, write_sheet
from inference.session import Provider
from inference.stream import Stopwatch, segment_images
from inference.tables import write_measures, write_table


def segment(
    images: Annotated[list[str], tyro.conf.Positional],
    model: Path,
    output: Path = Path("masks"),
    save: tuple[Product | Literal["sheet", "report"], ...] = ("mask",),
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
        model: Model file, as `make export` writes it.
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
    if {"sheet", "report"} & set(save) and "mask" not in save:
        raise InputError("--save sheet or report: they show the masks; add mask")
    if mm_per_pixel is not None and not mm_per_pixel > 0:
        raise InputError(f"--mm-per-pixel {mm_per_pixel}: must be above 0, as in 0.02")
    index, count = parse_shard(shard)
    part = f"-{index}-of-{count}" if count > 1 else ""
    threads_used = threads or os.cpu_count() or 1
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    opened = looks.open(model, threads, provider)
    stems = dict(list(name_outputs(find_sources(images), output).items())[index - 1 :: count])
    kinds = frozenset(save) - {"sheet", "report"}

    start = time.perf_counter()
    watch = Stopwatch()
    finished: dict[Source, Done] = {}
    failures: list[Failure] = []
    with Finished(output, part, describe(model, looks), resume) as journal:
        for source, stem in stems.items():
            if done := journal.find(source, stem, kinds):
                finished[source] = done
        kept = len(finished)
        waiting = [source for source in stems if source not in finished]
        writer = Writer(opened.contract, output, stems, kinds)
        results = segment_images(opened, waiting, writer, batch_size, threads_used, watch)
        for source, result in zip(waiting, track(results, "segmenting", len(waiting))):
            if isinstance(result, Done):
                finished[source] = result
                journal.add(source, result, kinds)
            else:
                failures.append(result)
                console.print(f"skipped {result.error}", markup=False)
    seconds = time.perf_counter() - start

    shown = [(source, finished[source]) for source in stems if source in finished]
    summary = {
        "images": len(shown),
        "errors": len(failures),
        "kept": kept,
        "seconds": round(seconds, 3),
        "fps": round((len(shown) - kept) / seconds, 2),
        "stages": {stage: round(watch.seconds[stage], 3) for stage in ("decode", "infer", "write")},
    }
    dones = [done for _, done in shown]
    write_table(output / f"masks{part}.csv", Row._fields, (done.row for done in dones))
    write_table(output / f"errors{part}.csv", Failure._fields, failures)
    if "csv" in save:
        write_measures(output / f"measures{part}.csv", dones, mm_per_pixel)
    if "sheet" in save:
        write_sheet(output / f"sheet{part}.jpg", output, shown, threads_used)
    if "report" in save:
        write_report(output / f"report{part}.html", output, summary, shown, failures, threads_used)
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n")
    console.print(
        f"{len(shown)} of {len(stems)} images segmented into {output}"
        + (f", {kept} of them before," if kept else "")
        + f" in {seconds:.1f} s, {summary['fps']} images/s",
        markup=False,
    )
    return 1 if failures else 0


def parse_shard(shard: str) -> tuple[int, int]:
    """Turns "2/5" into (2, 5)."""
    try:
        index, count = map(int, shard.split("/"))
    except ValueError:
        index = count = 0
    if not 1 <= index <= count:
        raise InputError(f"--shard {shard}: must be i/n with i from 1 to n, as in 2/5")
    return index, count


def describe(model: Path, looks: Looks) -> dict[str, Any]:
    """What the masks of a run depend on, for `Finished`."""
    files = (model, *looks.ensemble)
    return {
        "models": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
        "flips": looks.flips,
        "windows": looks.windows,
    }


if __name__ == "__main__":
    run(segment)
