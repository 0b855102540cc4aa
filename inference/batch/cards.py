"""The cards of report.html: one image each, its picture inside, its outline, its sizes and its files."""

from __future__ import annotations

import base64
import math
import os
from html import escape
from pathlib import Path
from typing import cast
from urllib.parse import quote

import cv2
import numpy as np

from inference.batch.thumbnails import Thumbnail
from inference.batch.writer import Done, MaskRow
from inference.cli import escape_line
from inference.masks.segmentation import CAUTIONS, Caution

SIDE = 320  # of the longer side of a picture, in pixels
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 70)
CUT_OFF = "It reaches the edge of the image, so it is larger than its sizes say."


def make_card(
    done: Done, picture: Thumbnail | None, files: dict[str, Path], mm_per_pixel: float | None
) -> str:
    """One image as HTML.

    Args:
        files: that the image was written to, relative to the page, by format.
    """
    row = done.row
    assert done.measures
    note = f'<p class="note">{CUT_OFF}</p>' if done.measures.border_percent else ""
    end = max(map(row.image.rfind, "/\\")) + 1
    folder, name = row.image[:end], row.image[end:]
    links = (
        f'<li><a href="{quote(os.fsencode(file.as_posix()))}">{kind}</a></li>'
        for kind, file in files.items()
    )
    return f"""<article class="card{" check" if row.doubtful else ""}">
<figure class="picture">{draw(picture, name)}</figure>
<div class="text">
<header><h2><bdi>{text(name)}</bdi></h2><div class="folder"><bdi>{text(folder)}</bdi></div></header>
{make_doubt(row)}
<dl class="sizes">{make_list(describe_sizes(done, mm_per_pixel))}</dl>{note}
<ul class="links" aria-label="Files">{"".join(links)}</ul>
</div>
</article>
"""


def make_doubt(row: MaskRow) -> str:
    """How far an outline can be trusted, as HTML; empty if the model does not say."""
    overlap = ""
    if row.expected_jaccard is not None and not row.warning:
        overlap = f"Expected overlap {math.floor(100 * row.expected_jaccard)} %"
    if not row.doubtful:
        return f'<p class="doubt">{overlap}</p>' if overlap else ""
    reason = CAUTIONS.get(cast(Caution, row.warning), "check this outline").capitalize()
    return f'<p class="doubt">\u26a0 {reason}<small>{overlap}</small></p>'


def describe_sizes(done: Done, mm_per_pixel: float | None) -> dict[str, str]:
    """The sizes of a lesion for people: in mm where a pixel's size is known."""
    row, measures = done.row, done.measures
    assert measures
    scale, unit, digits = (mm_per_pixel, "mm", 2) if mm_per_pixel else (1, "px", 0)
    area = f"{measures.area_px * scale**2:,.{digits}f} {unit}\u00b2"
    return {
        "Area": f"{area} ({row.lesion_percent:.1f} %)",
        "Equivalent diameter": f"{measures.equivalent_diameter_px * scale:,.{digits}f} {unit}",
        "Largest diameter": f"{measures.largest_diameter_px * scale:,.{digits}f} {unit}",
        "Image": f"{row.width:,} \u00d7 {row.height:,} px",
    }


def draw(picture: Thumbnail | None, name: str) -> str:
    """An image as HTML, its pixels inside, the outline of the mask over it as a path."""
    if picture is None:
        return "<p>The image can no longer be read.</p>"
    height, width = picture.mask.shape
    pixels = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2BGR)
    encoded = base64.b64encode(cv2.imencode(".jpg", pixels, QUALITY)[1].tobytes()).decode()
    path = trace_outline(picture.mask)
    return (
        f'<img src="data:image/jpeg;base64,{encoded}" alt="{text(name)}" loading="lazy">'
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path class="edge" d="{path}"/><path d="{path}"/></svg>'
    )


def trace_outline(mask: np.ndarray) -> str:
    """The outlines of a mask, (h, w) bool, as the data of an SVG path."""
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = (cv2.approxPolyDP(outline, 0.7, closed=True)[:, 0] for outline in outlines)
    # Through the centres of pixels.
    return "".join(f"M{' '.join(f'{x}.5 {y}.5' for x, y in ring)}Z" for ring in rings)


def make_list(entries: dict[str, str]) -> str:
    """Terms and what is said of them, as the inside of an HTML <dl>."""
    return "".join(
        f"<div><dt>{text(term)}</dt><dd>{text(said)}</dd></div>" for term, said in entries.items()
    )


def text(value: str) -> str:
    """Text as HTML shows it and does not obey it: neither tags nor marks that turn its direction."""
    return escape(escape_line(value))
