"""What the page and its named endpoints can do; knows models and folders, nothing of the layout."""

from __future__ import annotations

import shutil
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import numpy as np

from app.prediction import PREVIEW, Reading, cut, draw_preview, read_photograph
from app.uploads import find_uploads, tell_reason
from inference.batch.output_paths import name_outputs
from inference.batch.tables import write_measures, write_table
from inference.batch.writer import Done, Failure, Row, Writer
from inference.contract import Contract
from inference.errors import InputError
from inference.files import write_json
from inference.images.pixels import read_image, read_resized
from inference.images.write import write_image
from inference.machine import usable_cores
from inference.masks.drawing import draw_outline, fit
from inference.masks.formats import encode_geojson
from inference.masks.morphometry import Measures, measure
from inference.masks.png import write_mask
from inference.runtime.session import Segmenter
from inference.runtime.stream import segment_images

MAX_FILES = 500
KEPT_SECONDS = 120.0
GALLERY = 60  # outlines shown of a batch
SAVED = frozenset({"mask", "overlay", "geojson", "csv"})
FIRST_ALONE, SECOND_ALONE = (230, 60, 60), (60, 110, 230)


class Products(NamedTuple):
    """What a visitor takes away of one photograph."""

    mask: Path
    overlay: Path
    geojson: Path
    measures: Measures


class Batch(NamedTuple):
    """What became of many images: `archive` holds all of it."""

    done: list[Done]
    failures: list[Failure]
    outlines: list[tuple[np.ndarray, str]]  # (h, w, 3) uint8 RGB and the image's name
    archive: Path


class Comparison(NamedTuple):
    """Two models on one photograph: outlines, where they differ, and seconds of each."""

    outlines: tuple[np.ndarray, np.ndarray]
    difference: np.ndarray
    overlap: float
    seconds: tuple[float, float]


class Service:
    """Models, opened once, and a folder for results, which goes when the service does.

    Args:
        models: by the name that the page shows; the first is the one that segments.
    """

    def __init__(self, models: dict[str, Segmenter]) -> None:
        self.models = models
        self.segmenter = next(iter(models.values()))
        self._temporary = tempfile.TemporaryDirectory(prefix="lesions-")
        self.folder = Path(self._temporary.name)
        self._finished: deque[tuple[float, Path]] = deque()
        self._closed = Event()
        self._sweeper = Thread(target=self._sweep, daemon=True)
        self._sweeper.start()

    @property
    def contract(self) -> Contract:
        return self.segmenter.contract

    def read(self, path: Path) -> Reading:
        """Runs the model on a photograph, once.

        Raises:
            InputError, OSError: it cannot be read.
        """
        return read_photograph(self.segmenter, path)

    def write(self, reading: Reading, contract: Contract) -> Products:
        """Writes mask, overlay and outline of a photograph."""
        folder = self.make_folder()
        mask = cut(reading, contract)
        stem = reading.path.stem
        products = Products(
            folder / f"{stem}_segmentation.png",
            folder / f"{stem}_overlay.jpg",
            folder / f"{stem}.geojson",
            measure(mask, reading.probability),
        )
        write_mask(products.mask, mask)
        write_image(products.overlay, draw_outline(read_image(reading.path), mask))
        write_json(products.geojson, encode_geojson(mask))
        self.keep_a_while(folder)
        return products

    def segment_all(
        self,
        paths: Sequence[Path],
        contract: Contract,
        track: Callable[[Iterable[Done | Failure], int], Iterable[Done | Failure]],
    ) -> Batch:
        """Segments images and zips of images, as the command line does.

        Args:
            track: shows the progress of so many results while it passes them on.

        Raises:
            InputError: nothing to segment, or more than MAX_FILES.
        """
        sources, failures = find_uploads(paths)
        if len(sources) > MAX_FILES:
            raise InputError(
                f"{len(sources)} images: at most {MAX_FILES} at once; "
                "use python -m inference.segment for more"
            )
        if not sources and not failures:
            raise InputError("no images: give images, or zips that hold some")
        folder = self.make_folder()
        output = folder / "lesions"
        stems = name_outputs(sources, output) if sources else {}
        writer = Writer(contract, output, stems, SAVED)
        threads = usable_cores()
        results = segment_images(self.segmenter, stems, writer, threads=threads)
        done: list[Done] = []
        outlines: list[tuple[np.ndarray, str]] = []
        for (source, name), result in zip(sources, track(results, len(stems))):
            if isinstance(result, Failure):
                failures.append(Failure(str(name), tell_reason(result.error, source)))
                continue
            done.append(result._replace(row=result.row._replace(image=str(name))))
            if len(outlines) < GALLERY:
                overlay = output / stems[source].with_name(f"{stems[source].name}_overlay.jpg")
                outlines.append((fit(read_image(overlay), PREVIEW // 2), str(name)))
        write_table(output / "masks.csv", Row._fields, (entry.row for entry in done))
        write_table(output / "errors.csv", Failure._fields, failures)
        write_measures(output / "measures.csv", done, None)
        archive = pack(output, folder / "lesions.zip")
        self.keep_a_while(folder)
        return Batch(done, failures, outlines, archive)

    def compare(self, path: Path, first: str, second: str) -> Comparison:
        """Runs two models on one photograph."""
        previews, masks, seconds = [], [], []
        for segmenter in (self.models[first], self.models[second]):
            reading = read_photograph(segmenter, path)  # and warms the model up
            pixels = read_resized(path, segmenter.contract.size).pixels[None]
            start = time.perf_counter()
            segmenter(pixels)
            seconds.append(time.perf_counter() - start)
            preview, mask = draw_preview(reading, segmenter.contract)
            previews.append(preview)
            masks.append(mask)
        difference = reading.preview.copy()
        difference[masks[0] & ~masks[1]] = FIRST_ALONE
        difference[masks[1] & ~masks[0]] = SECOND_ALONE
        either = np.count_nonzero(masks[0] | masks[1])
        overlap = np.count_nonzero(masks[0] & masks[1]) / either if either else 1.0
        return Comparison((previews[0], previews[1]), difference, overlap, (seconds[0], seconds[1]))

    def close(self) -> None:
        """Deletes all results."""
        self._closed.set()
        self._sweeper.join()
        self._temporary.cleanup()

    def make_folder(self) -> Path:
        """A new folder for results."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def keep_a_while(self, folder: Path) -> None:
        """Has a finished folder deleted after KEPT_SECONDS; the page copies out what it shows at once."""
        self._finished.append((time.monotonic(), folder))

    def _sweep(self) -> None:
        while not self._closed.wait(KEPT_SECONDS / 4):
            while self._finished and time.monotonic() - self._finished[0][0] > KEPT_SECONDS:
                shutil.rmtree(self._finished.popleft()[1], ignore_errors=True)


def pack(folder: Path, archive: Path) -> Path:
    """Zips a folder; its images are compressed already."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder.parent))
    return archive
