"""What a person looks at after a run: a contact sheet, and an HTML page with all images inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from inference.batch.overview import Overview, Results
from inference.batch.thumbnails import draw_thumbnails
from inference.files import replacing

REPORT_IMAGES = 200
STYLE = """body { font: 14px sans-serif; margin: 2em; color: #222 } figure { display: inline-block;
margin: 4px; vertical-align: top; width: 200px } figcaption { font-size: 12px; word-break: break-all }
td, th { text-align: left; padding: 2px 12px 2px 0; vertical-align: top }"""


def write_report(path: Path, results: Results) -> None:
    """Writes an HTML page: what failed, and the first images with their outlines."""
    shown, failures = results.done, results.failures
    shown = shown[:REPORT_IMAGES]
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace") as file,
    ):
        file.write(
            f"<!doctype html><meta charset=utf-8><title>Segmentation</title><style>{STYLE}</style>"
        )
        file.write("<h1>Segmentation</h1>")
        file.write(f"<h2>Not segmented</h2>{to_html(failures) or 'none'}")
        file.write(f"<h2>Images</h2><p>the first {len(shown)}</p>")
        for (_, done), picture in zip(
            shown, draw_thumbnails(results.output, shown, results.threads)
        ):
            caption = html.escape(f"{done.row.image}: {done.row.lesion_percent} %")
            file.write(f"<figure>{embed(picture)}<figcaption>{caption}</figcaption></figure>")


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


REPORT = Overview(
    "report",
    "report.html",
    f"a page with the first {REPORT_IMAGES}",
    write_report,
    shows_masks=True,
)
