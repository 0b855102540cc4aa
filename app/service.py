"""What the page and its endpoints can do; it knows models and folders, not the layout."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import numpy as np

from app.corrections import save_pair
from app.prediction import PREVIEW, Prediction, draw_preview, predict, shrink_mask
from app.uploads import find_uploads, hide_path
from inference.batch.output_paths import name_outputs
from inference.batch.remarks import doubt
from inference.batch.tables import write_measures, write_table
from inference.batch.writer import Done, MaskRow, Writer, describe, write_products
from inference.contract import Contract
from inference.errors import InputError
from inference.images.formats import bare_name
from inference.images.pixels import read_image, read_resized
from inference.machine import usable_cores
from inference.masks.drawing import fit
from inference.masks.segmentation import Segmentation
from inference.runtime.segmenter import Segmenter
from inference.runtime.stream import Failure, segment_files

MAX_FILES = 500
KEPT_SECONDS = 120.0
UPLOAD_SECONDS = 3300.0  # an upload is promised to be gone within the hour
ABANDONED_SECONDS = 600.0
PREFIX = "lesions-"
GALLERY = 60  # outlines shown of a batch
PRODUCTS = ("mask", "overlay", "geojson")  # what a visitor takes away of each photograph
FIRST_ALONE, SECOND_ALONE = (230, 60, 60), (60, 110, 230)


class Batch(NamedTuple):
    """The results for many images, the most doubtful first; `archive` holds all of them."""

    done: list[Done]
    failures: list[Failure]
    outlines: list[tuple[np.ndarray, str]]  # (h, w, 3) uint8 RGB and the image's name
    archive: Path


class Comparison(NamedTuple):
    """Two models on one photograph: outlines, where they differ, and the seconds that each took.

    Attributes:
        overlap: of the masks, 0 to 1 (IoU).
        alone: shares of the image that only the first, and only the second, marks.
        areas: shares of the image that each marks.
    """

    outlines: tuple[np.ndarray, np.ndarray]
    difference: np.ndarray
    overlap: float
    alone: tuple[float, float]
    areas: tuple[float, float]
    seconds: tuple[float, float]


class Service:
    """Models, opened once, and a folder for results, which is deleted on `close`.

    Args:
        models: by the name that the page shows; the first is the one that segments.
        corrections: the folder for corrected masks and their photographs; None offers them for download.
    """

    def __init__(self, models: dict[str, Segmenter], corrections: Path | None = None) -> None:
        self.models = models
        self.corrections = corrections
        self.segmenter = next(iter(models.values()))
        sweep_remains()
        self._temporary = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.folder = Path(self._temporary.name)
        self.spared: set[str] = set()  # files that stay as long as the server, such as examples
        self._finished: deque[tuple[float, Path]] = deque()
        self._closed = Event()
        self._sweeper = Thread(target=self._sweep, daemon=True)
        self._sweeper.start()

    @property
    def contract(self) -> Contract:
        return self.segmenter.contract

    def save(self, lesion: Segmentation, stem: str) -> tuple[Path, Path, Path]:
        """Writes mask, overlay and outline of a photograph into a new folder, as the command line does.

        Args:
            stem: what the files' names start with.

        Raises:
            InputError, OSError: the photograph has gone, or the disk is full.
        """
        folder = self.make_folder()
        written = write_products(lesion, folder / stem, PRODUCTS)
        self.keep_a_while(folder)
        return written["mask"], written["overlay"], written["geojson"]

    def save_measured(
        self, lesion: Segmentation, path: Path, mm_per_pixel: float | None
    ) -> list[Path]:
        """As `save`, and the measures as CSV; the files are named after the photograph's."""
        stem = bare_name(path)
        files = [*self.save(lesion, stem)]
        table = files[0].with_name(f"{stem}_measures.csv")
        done = Done(describe(lesion, path.name, files[0].name), lesion.measures)
        write_measures(table, [done], mm_per_pixel)
        return [*files, table]

    def keep_pair(self, prediction: Prediction) -> tuple[str, Path | None]:
        """Keeps a photograph and its mask for training.

        Returns:
            The pair's name, and a zip of it if there is no folder for corrections.
        """
        if self.corrections:
            return save_pair(self.corrections, prediction), None
        folder = self.make_folder()
        name = save_pair(folder / "corrections", prediction)
        archive = pack(folder / "corrections", folder / f"{name}.zip")
        self.keep_a_while(folder)
        return name, archive

    def segment_all(
        self,
        paths: Sequence[Path],
        track: Callable[[Iterable[Done | Failure], int], Iterable[Done | Failure]],
        cut: Callable[[Segmentation], Segmentation] = lambda lesion: lesion,
        mm_per_pixel: float | None = None,
    ) -> Batch:
        """Segments images and zips of images, as the command line does.

        Args:
            track: passes on the results, whose number it gets too, and shows the progress.
            cut: gives each lesion the visitor's threshold and clean-up.
            mm_per_pixel: size of a pixel, if known: adds sizes in mm to the tables.

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
            raise InputError("no images: upload images, or zips of images")
        folder = self.make_folder()
        output = folder / "lesions"
        stems = name_outputs(sources, output) if sources else {}
        writer = Writer(output, stems, (*PRODUCTS, "csv"))
        results = segment_files(
            self.segmenter, stems, lambda lesion: writer(cut(lesion)), threads=usable_cores()
        )
        done: list[Done] = []
        overlays: dict[str, Path] = {}
        for (source, name), result in zip(sources, track(results, len(stems))):
            if isinstance(result, Failure):
                failures.append(Failure(str(name), hide_path(result.error, source)))
                continue
            done.append(result._replace(row=result.row._replace(image=str(name))))
            overlays[str(name)] = stems[source].with_name(f"{stems[source].name}_overlay.jpg")
        write_table(output / "masks.csv", MaskRow._fields, (entry.row for entry in done))
        write_table(output / "errors.csv", Failure._fields, failures)
        write_measures(output / "measures.csv", done, mm_per_pixel)
        done.sort(key=lambda entry: doubt(entry.row))
        outlines = [
            (fit(read_image(output / overlays[entry.row.image]), PREVIEW // 2), entry.row.image)
            for entry in done[:GALLERY]
        ]
        archive = pack(output, folder / "lesions.zip")
        self.keep_a_while(folder)
        return Batch(done, failures, outlines, archive)

    def compare_models(self, path: Path, first: str, second: str) -> Comparison:
        """Runs two models on one photograph.

        Raises:
            InputError, OSError: as `Segmenter.segment`, or no such model.
        """
        for name in (first, second):
            if name not in self.models:
                raise InputError(f"model {name!r}: must be one of {', '.join(self.models)}")
        outlines, masks, seconds = [], [], []
        for segmenter in (self.models[first], self.models[second]):
            prediction = predict(segmenter, path)  # which also warms up the model
            pixels = read_resized(path, segmenter.contract.size).pixels[None]
            start = time.perf_counter()
            segmenter(pixels)
            seconds.append(time.perf_counter() - start)
            outlines.append(draw_preview(prediction))
            masks.append(shrink_mask(prediction))
        first_mask, second_mask = masks
        first_alone, second_alone = first_mask & ~second_mask, second_mask & ~first_mask
        difference = prediction.preview.copy()
        difference[first_alone], difference[second_alone] = FIRST_ALONE, SECOND_ALONE
        either = np.count_nonzero(first_mask | second_mask)
        return Comparison(
            (outlines[0], outlines[1]),
            difference,
            np.count_nonzero(first_mask & second_mask) / either if either else 1.0,
            (float(first_alone.mean()), float(second_alone.mean())),
            (float(first_mask.mean()), float(second_mask.mean())),
            (seconds[0], seconds[1]),
        )

    def close(self) -> None:
        """Deletes all results."""
        self._closed.set()
        self._sweeper.join()
        self._temporary.cleanup()

    def make_folder(self) -> Path:
        """Makes a new folder for results."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def keep_a_while(self, folder: Path) -> None:
        """Deletes a finished folder after KEPT_SECONDS; the page copies what it shows at once."""
        self._finished.append((time.monotonic(), folder))

    def _sweep(self) -> None:
        while not self._closed.wait(KEPT_SECONDS / 4):
            os.utime(self.folder)  # a sign of life
            delete_old(self.folder, UPLOAD_SECONDS, self.spared)
            while self._finished and time.monotonic() - self._finished[0][0] > KEPT_SECONDS:
                shutil.rmtree(self._finished.popleft()[1], ignore_errors=True)


def delete_old(folder: Path, seconds: float, spared: Collection[str] = ()) -> None:
    """Deletes the files in a folder that nobody has changed for so long, and folders left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what a folder holds before the folder
        with suppress(OSError):  # another has deleted it, or a folder is not empty
            if time.time() - path.lstat().st_ctime <= seconds or str(path) in spared:
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()


def sweep_remains() -> None:
    """Deletes what killed servers left: a folder without a sign of life.

    A running server touches its own four times in KEPT_SECONDS.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def pack(folder: Path, archive: Path) -> Path:
    """Zips a folder without compression: its images are compressed already."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder.parent))
    return archive
