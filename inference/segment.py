"""Segments images: one mask per image, at the image's own size.

python -m inference.segment images/
python -m inference.segment images/ --model model.onnx --output masks --save mask overlay csv
"""

from __future__ import annotations

from typing import Annotated

import tyro

from inference.batch.job import Job
from inference.batch.options import SegmentOptions
from inference.batch.writer import Writer
from inference.cli import run
from inference.machine import usable_cores
from inference.runtime.session import require_threads
from inference.runtime.stream import Stopwatch, segment_files


def segment(
    images: Annotated[list[str], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")],
    options: Annotated[SegmentOptions, tyro.conf.OmitArgPrefixes] = SegmentOptions(),  # noqa: B008  # frozen
    threads: int = 0,
    shard: str = "1/1",
) -> int:
    """Segment images with an exported model: one mask per image, at the image's own size.

    Exit code: 0 if every image was segmented; 1 if some could not be (errors.csv names them, all others
    are done); 2 for bad input; 130 for Ctrl-C.

    Args:
        images: Files, folders (with all folders in them), patterns such as "photos/*.jpg", .zip archives,
            videos, http and https addresses, .txt files that list any of these, one per line; - reads
            such a list from stdin.
        options: How images are segmented, and what is written.
        threads: Cores to use; default: all.
        shard: i/n: segment only every n-th image, starting with the i-th, so that n processes or machines
            share the work.
    """
    require_threads(threads)
    threads = threads or usable_cores()
    segmenter = options.open_model(threads)
    job = Job(images, options, segmenter.fingerprint(), shard)
    writer = Writer(options.output, job.stems, options.products)
    watch = Stopwatch()
    results = segment_files(segmenter, job.waiting, writer, options.batch_size, threads, watch)
    return job.run(zip(job.waiting, results, strict=True), threads, watch.seconds)


if __name__ == "__main__":
    run(segment)
