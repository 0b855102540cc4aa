"""What a person looks at after a run: a contact sheet, and an HTML page with all images inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from inference.batch.writer import Done
from inference.errors import InputError
from inference.files import replacing
from inference.images.pixels import Source, read_image, read_mask
from inference.images.write import write_image
from inference.masks.drawing import draw_outline, fit, make_sheet
from inference.runtime.stream import Failure, map_ahead

SHEET_IMAGES = 24
REPORT_IMAGES = 200
STYLE = """body { font: 14px sans-serif; margin: 2em; color: #222 } figure { display: inline-block;
margin: 4px; vertical-align: top; width: 200px } figcaption { font-size: 12px; word-break: break-all }
td, th { text-align: left; padding: 2px 12px 2px 0; vertical-align: top }"""
MISSING = np.full((1, 1, 3), 255, np.uint8)

Shown = tuple[Source, Done]


def write_sheet(path: Path, output: Path, shown: Sequence[Shown], threads: int) -> None:
    """Writes the first images, with their outlines, on one contact sheet."""
    thumbnails = list(draw_thumbnails(output, shown[:SHEET_IMAGES], threads))
    if thumbnails:
        write_image(path, make_sheet(thumbnails))


def write_report(
    path: Path,
    output: Path,
    summary: dict[str, object],
    shown: Sequence[Shown],
    failures: Iterable[Failure],
    threads: int,
) -> None:
    """Writes an HTML page: the run's figures, what failed, and the first images with their outlines."""
    shown = shown[:REPORT_IMAGES]
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace") as file,
    ):
        file.write(
            f"<!doctype html><meta charset=utf-8><title>Segmentation</title><style>{STYLE}</style>"
        )
        file.write(f"<h1>Segmentation</h1>{to_html(summary.items())}")
        file.write(f"<h2>Not segmented</h2>{to_html(failures) or 'none'}")
        file.write(f"<h2>Images</h2><p>the first {len(shown)}</p>")
        for (_, done), picture in zip(shown, draw_thumbnails(output, shown, threads)):
            caption = html.escape(f"{done.row.image}: {done.row.lesion_percent} %")
            file.write(f"<figure>{embed(picture)}<figcaption>{caption}</figcaption></figure>")


def draw_thumbnails(output: Path, shown: Sequence[Shown], threads: int) -> Iterator[np.ndarray]:
    """Draws the outlines of the written masks on their images, small: (h, w, 3) uint8 RGB each."""

    def thumbnail(item: Shown) -> np.ndarray:
        source, done = item
        try:
            return fit(draw_outline(read_image(source), read_mask(output / done.row.mask)))
        except (InputError, OSError, MemoryError):  # the file has gone since
            return MISSING

    with ThreadPoolExecutor(threads) as pool:
        yield from map_ahead(pool, thumbnail, shown, ahead=2 * threads)


def embed(picture: np.ndarray) -> str:
    """An image as HTML, with the pixels inside."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(encoded).decode()}">'


def to_html(rows: Iterable[tuple[object, object]]) -> str:
    """Pairs as an HTML table; empty if there are none."""
    lines = [
        f"<tr><th>{html.escape(str(first))}</th><td>{html.escape(str(second))}</td></tr>"
        for first, second in rows
    ]
    return f"<table>{''.join(lines)}</table>" if lines else ""
