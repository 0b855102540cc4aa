"""Segments images on many machines with Ray: the masks are those of inference.segment.

python -m inference.cluster /shared/images --model /shared/model.onnx --output /shared/masks

Every machine has the project installed and sees images, model and output folder under the same paths. A
worker that dies is replaced, and its images are done again; what the cluster loses as a whole is taken up
with --resume.
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
import tyro

from inference.batch.job import Job, Saved
from inference.batch.writer import Done, Failure, Writer
from inference.cli import run
from inference.errors import InputError
from inference.images.pixels import Source
from inference.models import SHIPPED
from inference.runtime.session import Provider
from inference.runtime.stream import segment_images
from inference.runtime.tta import Looks, find_provider

IMAGES_PER_TASK = 64  # what is done again when a worker dies, at most


def segment_on_cluster(
    images: Annotated[list[str], tyro.conf.Positional],
    model: Path = SHIPPED,
    output: Path = Path("masks"),
    save: tuple[Saved, ...] = ("mask",),
    batch_size: int = 8,
    provider: Provider = "auto",
    address: str | None = None,
    cores: int = 2,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    resume: bool = False,
    mm_per_pixel: float | None = None,
    looks: Annotated[Looks, tyro.conf.OmitArgPrefixes] = Looks(),  # noqa: B008  # frozen
) -> int:
    """Segment images on all machines of a Ray cluster; all else is as in inference.segment.

    Args:
        images: Files, folders and patterns that all machines see.
        model: Model file, as `make export` writes it; the one that ships if left out.
        output: Folder that all machines see, for what is saved.
        save: As in inference.segment.
        batch_size: Images computed at once.
        provider: As in inference.segment; what auto becomes on this machine holds for all workers.
        address: Of the cluster, or auto on one of its machines; left out, Ray starts on this one alone.
        cores: Cores that one worker has; there are as many workers as fit.
        json_file: Where to write a summary.
        resume: Keep what an earlier run into the same folder has finished.
        mm_per_pixel: Size of a pixel, if it is known: adds sizes in mm to measures.csv.
        looks: How often an image is looked at.
    """
    if batch_size < 1 or cores < 1:
        raise InputError(f"--batch-size {batch_size} --cores {cores}: at least 1; leave them out")
    check_ray()
    opened = looks.open(model, cores, provider)  # a wrong model fails here, not on every worker
    settings = looks.describe(model, opened)
    job = Job(images, output, save, settings, resume, mm_per_pixel=mm_per_pixel, files_only=True)
    provider = find_provider(opened)
    workers = (Path.cwd(), model, looks, provider, output, job.kinds, batch_size, cores)
    results = compute(job, workers, address, cores)
    return job.run(results, cores, {}, json_file)


def check_ray() -> None:
    """Refuses to begin where Ray is not installed.

    Raises:
        InputError: it is not.
    """
    if find_spec("ray") is None:
        raise InputError("ray is not installed; install it: pip install -e '.[ray]'")


def compute(
    job: Job, settings: tuple[Any, ...], address: str | None, cores: int
) -> Iterator[tuple[Source, Done | Failure]]:
    """Lets the cluster segment what is waiting; yields results as they come, in any order."""
    import ray
    import ray.data

    if not job.waiting:
        return
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours is shown
    with ray.init(address, log_to_driver=False, logging_level=logging.WARNING):
        workers = int(ray.cluster_resources().get("CPU", 0)) // cores
        if not workers:
            raise InputError(f"--cores {cores}: no machine of the cluster has so many; give fewer")
        items = [
            {"number": number, "image": encode(source), "stem": encode(job.stems[source])}
            for number, source in enumerate(job.waiting)
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
    """A model opened on one machine, to which the cluster hands images."""

    def __init__(
        self,
        folder: Path,
        model: Path,
        looks: Looks,
        provider: Provider,
        output: Path,
        kinds: frozenset[str],
        batch_size: int,
        cores: int,
    ) -> None:
        os.chdir(folder)  # so that relative paths lead where they led the command
        self.model = looks.open(model, cores, provider)
        self.output, self.kinds, self.batch_size, self.cores = output, kinds, batch_size, cores

    def __call__(self, items: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Segments images and writes their files; returns what became of each."""
        stems: dict[Source, Path] = {
            Path(os.fsdecode(image)): Path(os.fsdecode(stem))
            for image, stem in zip(items["image"], items["stem"])
        }
        writer = Writer(self.model.contract, self.output, stems, self.kinds)
        results = segment_images(self.model, stems, writer, self.batch_size, self.cores)
        pickled = np.array([pickle.dumps(result) for result in results], object)
        return {"number": items["number"], "result": pickled}


if __name__ == "__main__":
    run(segment_on_cluster)
