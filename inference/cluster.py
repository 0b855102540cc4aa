"""Segments images on many machines with Ray; the masks are those of inference.segment.

python -m inference.cluster /shared/images --model /shared/model.onnx --output /shared/masks

Every machine has the project installed, and sees images, model and output folder under the same paths.
A worker that dies is replaced and its images are done again; if the cluster fails, --resume goes on.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import arg

from inference.batch.job import Job
from inference.batch.options import Images, Options, SegmentOptions
from inference.batch.writer import Done, Writer
from inference.cli import run
from inference.errors import InputError
from inference.images.pixels import Source
from inference.runtime.providers import Provider
from inference.runtime.stream import Failure, segment_files

IMAGES_PER_TASK = 64  # at most so many are done again when a worker dies


def segment_on_cluster(
    images: Images,
    options: Options = SegmentOptions(),  # noqa: B008  # frozen
    address: Annotated[
        str | None,
        arg(metavar="ADDRESS", help_behavior_hint="(default: start Ray on this machine only)"),
    ] = None,
    cores: Annotated[int, arg(metavar="N")] = 2,
) -> int:
    """Segment images on all machines of a Ray cluster; otherwise the same as inference.segment.

    Give files, folders and patterns that all machines can read under the same paths.

    Args:
        address: Address of the cluster; auto if this machine is part of it.
        cores: CPU cores per worker; starts as many workers as fit.
    """
    options.check()
    if cores < 1:
        raise InputError(f"--cores {cores}: must be at least 1; leave it out")
    require_ray()
    segmenter = options.open_model(cores)  # a wrong model fails here, not on every worker
    job = Job(images, options, segmenter.fingerprint(), files_only=True)
    results = compute(job, (Path.cwd(), options, segmenter.provider, cores), address, cores)
    return job.run(results, cores, {})


def require_ray() -> None:
    """Raises InputError where Ray is not installed."""
    if find_spec("ray") is None:
        raise InputError("ray is not installed; install it: pip install -e '.[ray]'")


def compute(
    job: Job, settings: tuple[Any, ...], address: str | None, cores: int
) -> Iterator[tuple[Source, Done | Failure]]:
    """Has the cluster segment what is waiting; yields results as they come, in any order.

    Args:
        settings: the arguments of `Worker`.
    """
    import ray
    import ray.data

    if not job.waiting:
        return
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False  # there is one already
    with ray.init(address, log_to_driver=False, logging_level=logging.WARNING):
        workers = int(ray.cluster_resources().get("CPU", 0)) // cores
        if not workers:
            raise InputError(
                f"--cores {cores}: no machine of the cluster has that many; give fewer"
            )
        items = [
            {"number": number, "image": encode(source), "stem": encode(job.stems[source])}
            for number, source in enumerate(job.hand_out())
        ]
        blocks = max(workers, -(-len(items) // IMAGES_PER_TASK))
        results = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=settings,
            batch_size=IMAGES_PER_TASK,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
            num_cpus=cores,
        )
        for row in results.iter_rows():
            yield job.waiting[row["number"]], pickle.loads(row["result"])


def encode(path: Source) -> bytes:
    """A path as bytes: not every file name is text."""
    return os.fsencode(str(path))


class Worker:
    """A model opened on one machine, which the cluster feeds with images.

    Args:
        folder: current folder of the command, to which relative paths refer.
        provider: what auto became where the command was started; the same for all workers.
    """

    def __init__(
        self, folder: Path, options: SegmentOptions, provider: Provider, cores: int
    ) -> None:
        os.chdir(folder)
        self.segmenter = options.open_model(cores, provider)
        self.options, self.cores = options, cores

    def __call__(self, items: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Segments images and writes their files; returns what became of each."""
        stems: dict[Source, Path] = {
            Path(os.fsdecode(image)): Path(os.fsdecode(stem))
            for image, stem in zip(items["image"], items["stem"])
        }
        options = self.options
        writer = Writer(options.output, stems, options.products)
        results = segment_files(self.segmenter, stems, writer, options.batch_size, self.cores)
        pickled = np.array([pickle.dumps(result) for result in results], object)
        return {"number": items["number"], "result": pickled}


if __name__ == "__main__":
    run(segment_on_cluster)
