"""Segments images: one mask per image, at the image's own size.

python -m inference.segment images/
python -m inference.segment images/ --model model.onnx --output masks --save mask overlay csv
"""

from __future__ import annotations

from typing import Annotated

from tyro.conf import arg

from inference.batch.job import Job
from inference.batch.options import Images, Options, SegmentOptions
from inference.batch.writer import Writer
from inference.cli import Threads, run
from inference.machine import usable_cores
from inference.runtime.session import require_threads
from inference.runtime.stream import Stopwatch, segment_files

Shard = Annotated[
    str,
    arg(
        metavar="I/N",
        help="Segment only every N-th image, starting with the I-th, to share the work among N processes "
        "or machines.",
    ),
]


def segment(
    images: Images,
    options: Options = SegmentOptions(),  # noqa: B008  # frozen
    threads: Threads = 0,
    shard: Shard = "1/1",
) -> int:
    """Segment images with an exported model: one mask per image, at the image's own size.

    Exit code: 0 if every image was segmented; 1 if some could not be (errors.csv names them, all others
    are done); 2 for bad input; 70 if the program failed (please report it); 130 for Ctrl-C.
    """
    options.check()
    require_threads(threads)
    threads = threads or usable_cores()
    segmenter = options.open_model(threads)
    job = Job(images, options, segmenter.fingerprint(), shard)
    writer = Writer(options.output, job.stems, options.products)
    watch = Stopwatch()
    results = segment_files(segmenter, job.hand_out(), writer, options.batch_size, threads, watch)
    return job.run(zip(job.waiting, results, strict=True), threads, watch.seconds)


if __name__ == "__main__":
    run(segment)
