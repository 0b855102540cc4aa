"""Segments images: one mask per image, at the image's own size.

python -m inference.segment images/ --model model.onnx --output masks
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import tyro
from rich.console import Console

from inference.command import InputError, run, track
from inference.contract import Contract
from inference.files import find_images, replacing
from inference.masks import make_mask
from inference.outputs import draw_outline, fit, make_sheet, write_image, write_mask
from inference.pixels import read_image
from inference.session import Provider, Segmenter
from inference.stream import Segmented, segment_images

Product = Literal["mask", "overlay", "sheet"]
SHEET_IMAGES = 24


class Row(NamedTuple):
    """A line of masks.csv: sizes in pixels of the image, area as a share of the frame."""

    image: str
    mask: str
    width: int
    height: int
    lesion_px: int
    lesion_percent: float


class Failure(NamedTuple):
    """A line of errors.csv."""

    image: str
    error: str


def segment(
    images: Annotated[list[str], tyro.conf.Positional],
    model: Path,
    output: Path = Path("masks"),
    save: tuple[Product, ...] = ("mask",),
    batch_size: int = 8,
    threads: int = 0,
    provider: Provider = "auto",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Segment images with an exported model: one mask per image, at the image's own size.

    Exit code: 0 if every image was segmented, 1 if some could not be read, 2 for bad input.

    Args:
        images: Files, folders (searched to the bottom) and patterns such as "photos/*.jpg".
        model: Model file, as `make export` writes it.
        output: Folder for the masks, NAME_segmentation.png (8 bits, 0 or 255), in the input's tree of
            folders, and for masks.csv and errors.csv.
        save: What to write: mask; overlay (NAME_overlay.jpg, the outline on the image); sheet
            (sheet.jpg, the first 24 overlays on one page).
        batch_size: Images computed at once; it changes the speed, not the masks.
        threads: Cores to use; 0 is all of them.
        provider: What computes: cpu, openvino, cuda, tensorrt, cann; auto is the fastest that is there.
        json_file: Where to write a summary (images, errors, seconds, fps).
    """
    if batch_size < 1 or threads < 0:
        raise InputError(
            f"--batch-size {batch_size} --threads {threads}: at least 1 and 0; leave them out"
        )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    segmenter = Segmenter(model, threads, provider)
    stems = name_outputs(find_images(images), output)
    writer = Writer(segmenter.contract, stems, save)

    start = time.perf_counter()
    rows: list[Row] = []
    failures: list[Failure] = []
    stream = segment_images(segmenter, stems, writer, batch_size, threads or os.cpu_count() or 1)
    for result in track(stream, "segmenting", len(stems)):
        if isinstance(result, Row):
            rows.append(result)
        else:
            failures.append(result)
            console.print(f"skipped {result.error}", markup=False)
    seconds = time.perf_counter() - start

    write_table(output / "masks.csv", Row, rows)
    write_table(output / "errors.csv", Failure, failures)
    if writer.thumbnails:
        write_image(output / "sheet.jpg", make_sheet(list(writer.thumbnails.values())))
    summary = {
        "images": len(rows),
        "errors": len(failures),
        "seconds": round(seconds, 3),
        "fps": round(len(rows) / seconds, 2),
    }
    if json_file:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n")
    console.print(
        f"{len(rows)} of {len(stems)} images segmented into {output} "
        f"in {seconds:.1f} s, {summary['fps']} images/s",
        markup=False,
    )
    return 1 if failures else 0


@dataclass
class Writer:
    """Writes what was asked for of each image; called from several threads.

    Attributes:
        stems: where each image's files go, less their ending.
        thumbnails: small overlays of the first images, for the sheet.
    """

    contract: Contract
    stems: dict[Path, Path]
    save: Collection[Product]
    thumbnails: dict[Path, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        on_sheet = islice(self.stems, SHEET_IMAGES if "sheet" in self.save else 0)
        self.thumbnails = dict.fromkeys(on_sheet, np.zeros((1, 1, 3), np.uint8))

    def __call__(self, image: Segmented) -> Row | Failure:
        if image.error:
            self.thumbnails.pop(image.path, None)
            return Failure(str(image.path), image.error)
        mask = make_mask(image.probability, image.height, image.width, self.contract)
        stem = self.stems[image.path]
        path = stem.with_name(f"{stem.name}_segmentation.png")
        if "mask" in self.save:
            write_mask(path, mask)
        if "overlay" in self.save or image.path in self.thumbnails:
            overlay = draw_outline(read_image(image.path), mask)
            if "overlay" in self.save:
                write_image(stem.with_name(f"{stem.name}_overlay.jpg"), overlay)
            if image.path in self.thumbnails:
                self.thumbnails[image.path] = fit(overlay)
        area = int(np.count_nonzero(mask))
        share = round(100 * area / mask.size, 3)
        return Row(str(image.path), str(path), image.width, image.height, area, share)


def name_outputs(images: list[tuple[Path, Path]], output: Path) -> dict[Path, Path]:
    """Gives each image the path of its files in `output`, less their ending.

    Images that lie in `output` are left out. Where a folder holds a.jpg and a.png, the suffix stays in
    the name.

    Raises:
        InputError: two images would write the same file, or none is left.
    """
    inside = output.resolve()
    images = [pair for pair in images if inside not in pair[0].resolve().parents]
    taken = Counter(relative.with_suffix("") for _, relative in images)
    stems: dict[Path, Path] = {}
    owners: dict[Path, Path] = {}
    for image, relative in images:
        stem = relative.with_suffix("")
        stem = output / (relative if taken[stem] > 1 else stem)
        if stem in owners:
            raise InputError(
                f"{owners[stem]} and {image} would write the same mask: names must differ; "
                "segment them into two --output folders"
            )
        owners[stem], stems[image] = image, stem
    if not stems:
        raise InputError(f"{output}: holds all the images given; choose another --output folder")
    return stems


def write_table(path: Path, kind: type[NamedTuple], rows: Iterable[tuple[object, ...]]) -> None:
    """Writes rows of one kind of named tuple as CSV, with a header line."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(kind._fields)
        writer.writerows(rows)


if __name__ == "__main__":
    run(segment)
