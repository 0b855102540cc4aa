"""report.html: a run on one page that can be filed, with all images inside, those most in doubt first."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import cast
from urllib.parse import quote

import cv2
import numpy as np

from inference.batch.overview import Overview, Results
from inference.batch.thumbnails import Thumbnail, make_thumbnails
from inference.batch.writer import Done, MaskRow, product_paths
from inference.cli import escape_line
from inference.files import replacing
from inference.masks.segmentation import CAUTIONS, Caution
from inference.runtime.stream import Failure
from inference.version import PROJECT, find_version

MAX_IMAGES = 500  # on a page, of about 15 KB each: a telephone opens it, and a mail takes it
SIDE = 320  # of the longer side of an image, in pixels
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 70)
CUT_OFF = "It reaches the edge of the image, so it is larger than its sizes say."
PAGE, STYLE, SCRIPT = (
    Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
    for suffix in (".html", ".css", ".js")
)


def write_report(path: Path, results: Results) -> None:
    """Writes the page; it needs no other file, runs no script but its own and loads nothing."""
    shown = results.most_doubtful(MAX_IMAGES)
    run = describe_run(results, len(shown))
    head, foot = (Template(part).substitute(run) for part in PAGE.split("$cards"))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(head)
        pictures = make_thumbnails(results.output, shown, SIDE, results.threads)
        for (source, done), picture in zip(shown, pictures):
            files = product_paths(results.stems[source], results.save)
            file.write(make_card(done, picture, files, results.mm_per_pixel))
        file.write(foot)


def describe_run(results: Results, shown: int) -> dict[str, str]:
    """What the page says of the run, as HTML, by the names in report.html."""
    images = len(results.done)
    check = sum(done.row.doubtful for _, done in results.done)
    contract, scale = results.contract, results.mm_per_pixel
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M UTC%z")
    kept = "largest region kept" if contract.largest_region else ""
    filled = "holes filled" if contract.fill_holes else ""
    below = (
        f", expected overlap below {100 * limit:.0f} %" if (limit := contract.check_below) else ""
    )
    facts = {
        "Date": date,
        "Images": f"{images:,} segmented, {len(results.failures):,} not",
        "To check": f"{check:,}{below}",
        "Model": ", ".join(path.name for path in results.models),
        "SHA-256 of the model": ", ".join(sha[:16] for sha in results.fingerprint["models"]),
        "Probability threshold": f"{contract.threshold:g}",
        "Clean-up": ", ".join(filter(None, (kept, filled))) or "none",
        "Test-time augmentation": "4 flips" if results.fingerprint["flips"] else "none",
        "Size of a pixel": f"{scale:g} mm" if scale else "not known: lengths are in pixels",
        "Software": f"{PROJECT} {find_version()}",
    }
    order = "Those most in doubt come first."
    if contract.confidence is None:
        order = "This model does not say how sure it is of each outline."
    if shown < images:
        order = (
            f"The {shown:,} of {images:,} images that are most in doubt; the others are in "
            f"masks{results.part}.csv."
        )
    return {
        "policy": POLICY,
        "style": STYLE,
        "script": SCRIPT,
        "date": text(date),
        "facts": make_list(facts),
        "shown": f"{shown:,}",
        "check": f"{min(check, shown):,}",
        "order": order,
        "failures": make_failures(results.failures),
    }


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
        overlap = f"Expected overlap {100 * row.expected_jaccard:.0f} %"
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


def make_failures(failures: Sequence[Failure]) -> str:
    """The images that could not be segmented, as HTML; empty if there are none."""
    if not failures:
        return ""
    lines = (f"<li><bdi>{text(failure.error)}</bdi></li>" for failure in failures[:MAX_IMAGES])
    more = len(failures) - MAX_IMAGES
    rest = f"<p>and {more:,} more, which errors.csv names</p>" if more > 0 else ""
    return (
        f'<section><h2>Not segmented: {len(failures):,}</h2><ul class="failures">{"".join(lines)}</ul>'
        f"{rest}</section>"
    )


def make_list(entries: dict[str, str]) -> str:
    """Terms and what is said of them, as the inside of an HTML <dl>."""
    return "".join(
        f"<div><dt>{text(term)}</dt><dd>{text(said)}</dd></div>" for term, said in entries.items()
    )


def text(value: str) -> str:
    """Text as HTML shows it and does not obey it: neither tags nor marks that turn its direction."""
    return escape(escape_line(value))


def hash_inline(content: str) -> str:
    """How a content security policy names an inline style or script."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


# Should a name ever get through the escaping, a browser still runs and loads nothing of it.
POLICY = (
    f"default-src 'none'; img-src data:; style-src {hash_inline(STYLE)}; "
    f"script-src {hash_inline(SCRIPT)}; base-uri 'none'; form-action 'none'"
)
REPORT = Overview(
    "report", "report.html", f"a page to file, {MAX_IMAGES} images", write_report, shows_masks=True
)
